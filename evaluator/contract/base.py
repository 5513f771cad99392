"""The frozen, strict base of every value that crosses a process boundary."""

from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """A value between processes: immutable; unknown fields and numbers that are not finite are errors, no surprises."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
