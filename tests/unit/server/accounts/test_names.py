"""Names of people and teams: what is dropped, what is refused, and which two look the same."""

import sys
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from lethe.server.accounts.names import is_ignorable, skeleton, tidy_name
from lethe.server.security.passwords import hash_password, is_password
from lethe.server.teams.schemas import NewTeam


@pytest.mark.parametrize(
    "pair",
    [
        ("Тeam", "Team"),
        ("Alicе", "Alice"),
        ("AIice", "Alice"),
        ("A\ufe0f", "A"),
        ("Ａ", "A"),
        ("b1t", "blt"),
        ("modern", "rnodern"),
        ("t0m", "tom"),
        ("café", "cafe\u0301"),
    ],
)
def test_names_that_look_the_same_have_one_skeleton(pair: tuple[str, str]) -> None:
    assert skeleton(pair[0]) == skeleton(pair[1])


@pytest.mark.parametrize("pair", [("bit", "bat"), ("ann", "anna"), ("日本", "中国"), ("Lethe", "Léthe")])
def test_names_that_look_different_have_two(pair: tuple[str, str]) -> None:
    assert skeleton(pair[0]) != skeleton(pair[1])


@given(st.text(max_size=40))
def test_a_skeleton_is_the_same_in_every_normal_form(name: str) -> None:
    import unicodedata

    assert len({skeleton(unicodedata.normalize(form, name)) for form in ("NFC", "NFD", "NFKC")}) == 1


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Team  two", "Team two"),
        (" Team\u00a0\u2003two ", "Team two"),
        ("A\ufe0f", "A"),
        ("A\u2800", "A"),
        ("\u3164Hangul", "Hangul"),
    ],
)
def test_names_are_tidied(typed: str, kept: str) -> None:
    assert NewTeam(name=typed).name == kept
    assert tidy_name(kept) == kept


@pytest.mark.parametrize(
    "name", ["\u3164", "\u2800", "  ", "!!!", "🐎", "\u115f\u1160", "a\u202eb", "a\nb", "x\u200by", 7, None]
)
def test_names_without_a_letter_and_with_controls_are_refused_in_words(name: object) -> None:
    with pytest.raises(ValidationError, match="letter or digit"):
        NewTeam.model_validate({"name": name})


@pytest.mark.slow
def test_ignorable_characters_are_those_of_unicode() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    ignorable = TypeAdapter(Annotated[str, Field(pattern=r"^\p{Default_Ignorable_Code_Point}+$")])
    others = TypeAdapter(Annotated[str, Field(pattern=r"^\P{Default_Ignorable_Code_Point}+$")])
    ignorable.validate_python("".join(one for one in every if is_ignorable(one)))
    others.validate_python("".join(one for one in every if not is_ignorable(one)))


def test_passwords_are_the_same_however_an_accent_is_typed() -> None:
    composed, decomposed = "correct hörse 🐎", "correct ho\u0308rse 🐎"
    assert is_password(decomposed, hash_password(composed))
    assert is_password(composed, hash_password(decomposed))
    from argon2 import PasswordHasher

    before = PasswordHasher().hash(decomposed)  # as it was stored until 0.1
    assert is_password(decomposed, before)
    assert not is_password("correct horse", before)
