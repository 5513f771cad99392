"""What a limit says about itself; the API, the pages, the command line and docs/reference.md show what stands here."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler

from lethe.evaluator.contract.faults import FaultCode


class Unit(StrEnum):
    """The unit of the value of a limit or of another key of a specification, as the reference names it."""

    BYTES = "bytes"
    SECONDS = "seconds"
    COUNT = "count"
    PIXELS = "pixels"
    SHARE = "share"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Stands in the `Annotated` of each field of a specification that is a limit."""

    label: str
    """The limit's name for people."""
    unit: Unit
    about: str = ""
    """What the label leaves open."""
    ends: FaultCode | None = None
    """How a submission that exceeds the limit ends; None: it goes on, or is not accepted."""
    effect: str = ""
    """What happens beyond the limit where `ends` does not say all."""
    unset: str = "no limit"
    """What None or 0 means."""
    no_more_than: str = ""
    """The field of another limit that holds as well, so that the smaller of the two counts."""
    hidden: str = ""
    """Why participants do not see it; empty: everybody sees it."""

    @property
    def term(self) -> str:
        """The label with its explanation, in Markdown."""
        return f"{self.label} ({self.about})" if self.about else self.label

    @property
    def consequence(self) -> str:
        """What follows when the limit is exceeded, in Markdown; empty where an upload is refused."""
        if self.ends is None:
            return self.effect
        return f"`{self.ends}` ({self.effect})" if self.effect else f"`{self.ends}`"

    @property
    def description(self) -> str:
        """Label, explanation and consequence in one line of plain text."""
        end = f". When exceeded: {self.consequence}" if self.consequence else ""
        return f"{self.term}{end}".replace("`", "")

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe the field in JSON schemas, as pydantic asks annotations to."""
        return {**handler(schema), "description": self.description}


def limits_of(kind: type[BaseModel]) -> dict[str, Limit]:
    """Return the limits among the fields of `kind` by field name, in the order of the fields."""
    return {
        name: limit for name, field in kind.model_fields.items() for limit in field.metadata if isinstance(limit, Limit)
    }
