"""Requests and answers about teams."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field

from lethe.server.accounts.names import tidy_name
from lethe.server.accounts.schemas import in_words

_NAME = "1 to 40 characters with a letter or digit among them, none of them invisible"
TeamName = Annotated[
    str,
    BeforeValidator(tidy_name),
    Field(
        pattern=r"^\P{C}*[\p{L}\p{N}]\P{C}*$",
        min_length=1,
        max_length=40,
        description=_NAME,
        examples=["The Forgetful"],
    ),
    in_words(_NAME),
]


class NewTeam(BaseModel):
    name: TeamName


class InviteRow(BaseModel):
    id: UUID
    created_at: datetime
    expires_at: datetime


class InviteCreated(BaseModel):
    id: UUID
    code: str = Field(description="For one person, who sends it to POST /invites/{code}/accept; shown once")
    expires_at: datetime


class TeamView(BaseModel):
    """A team as its members see it."""

    id: UUID
    competition: str
    name: str
    members: list[str] = Field(description="User names")
    size_limit: int
    is_fixed: bool = Field(description="The team has submitted, so its members can no longer leave")
    invites: list[InviteRow] = Field(description="Invitations that can still be accepted")
