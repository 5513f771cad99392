"""Requests and answers about users and tokens."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

Username = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,38}[A-Za-z0-9]$",
        description="3 to 40 letters, digits, '.', '_' or '-', beginning and ending with a letter or digit",
    ),
]
# \p{C}: control and format characters, which would act on whatever shows them.
Email = Annotated[str, Field(pattern=r"^[^@\s\p{C}]{1,64}@[^@\s\p{C}]+\.[^@\s\p{C}]+$", max_length=254)]
TokenName = Annotated[str, Field(pattern=r"^\P{C}+$", min_length=1, max_length=80)]


class NewUser(BaseModel):
    username: Username
    email: Email
    password: Annotated[str, Field(min_length=8, max_length=200)]


class UserCreated(BaseModel):
    username: str
    token: str = Field(description="API token; shown once, stored as a digest")


class NewToken(BaseModel):
    name: TokenName = "api"


class TokenCreated(BaseModel):
    id: UUID
    name: str
    token: str = Field(description="Shown once, stored as a digest")


class TokenRow(BaseModel):
    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None
