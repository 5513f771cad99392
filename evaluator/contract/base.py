"""The frozen, strict base of every value that crosses a process boundary."""

from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """A value between processes: immutable, and unknown fields are an error rather than a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid")
