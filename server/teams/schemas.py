"""Requests and answers about teams."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

TeamName = Annotated[
    str,
    Field(
        pattern=r"^[^\s\p{C}](\P{C}*[^\s\p{C}])?$",
        min_length=1,
        max_length=40,
        description="1 to 40 characters, none of them invisible, no space at the ends",
        examples=["The Forgetful"],
    ),
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
