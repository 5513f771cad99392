"""Parts of statements that all nouns share."""

from enum import StrEnum

from sqlalchemy import ColumnElement, String, literal_column


def constant(value: StrEnum) -> ColumnElement[str]:
    """`value` as part of a statement's text: prepared plans then know how many rows have it."""
    return literal_column(f"'{value}'", String)
