"""Requests and answers about users and tokens."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError


def in_words(rule: str) -> WrapValidator:
    """Replace a pattern's error message by the rule in words."""

    def check(value: Any, by_pattern: ValidatorFunctionWrapHandler) -> Any:
        try:
            return by_pattern(value)
        except ValidationError as error:
            raise PydanticCustomError("rule", "{rule}", {"rule": f"Use {rule}"}) from error

    return WrapValidator(check)


_USERNAME = "3 to 40 letters, digits, '.', '_' or '-', beginning and ending with a letter or digit"
_EMAIL = "an e-mail address, such as ann@example.org"
Username = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,38}[A-Za-z0-9]$", description=_USERNAME, examples=["ann"]),
    in_words(_USERNAME),
]
# \p{C}: control and format characters, which terminals and pages would obey.
Email = Annotated[
    str,
    Field(pattern=r"^[^@\s\p{C}]{1,64}@[^@\s\p{C}]+\.[^@\s\p{C}]+$", max_length=254, examples=["ann@example.org"]),
    in_words(_EMAIL),
]
TokenName = Annotated[str, Field(pattern=r"^\P{C}+$", min_length=1, max_length=80, examples=["laptop"])]
MIN_CHARS, MAX_CHARS = 8, 200
NewPassword = Annotated[
    str,
    Field(
        min_length=MIN_CHARS,
        max_length=MAX_CHARS,
        description=f"{MIN_CHARS} to {MAX_CHARS} characters of any kind; length is the only rule",
        examples=["correct horse battery"],
    ),
]


Notice = Literal["ended", "invitation", "announcement", "closing", "revealed"]


class NewPerson(BaseModel):
    """Somebody who registers; without a password, who has signed in elsewhere."""

    username: Username
    email: Email
    invite: str | None = Field(
        default=None, max_length=100, description="Required if registration is by invitation only"
    )


class NewUser(NewPerson):
    password: NewPassword


class UserCreated(BaseModel):
    username: str
    token: str = Field(description="API token; shown once, stored as a digest")


class Me(BaseModel):
    username: str
    email: str
    is_operator: bool
    created_at: datetime
    email_confirmed: bool = Field(default=False, description="Whether somebody who reads mail to it said so")
    notices: list[Notice] = Field(default_factory=list, description="What this account is told by mail")
    daily_digest: bool = Field(default=True, description="One mail a day tells which submissions have ended")


class MeChange(BaseModel):
    """What is not given stays. Another name or address needs the password."""

    username: Username | None = None
    email: Email | None = Field(
        default=None, description="Becomes the account's once it is confirmed, on a site with mail"
    )
    notices: list[Notice] | None = None
    daily_digest: bool | None = None
    password: Annotated[str, Field(max_length=MAX_CHARS, description="The current password")] = ""


class PasswordProof(BaseModel):
    password: Annotated[str, Field(max_length=MAX_CHARS, description="The current password")]


class ResetRequest(BaseModel):
    account: Annotated[str, Field(min_length=1, max_length=254, description="User name or e-mail address")]


class PasswordReset(BaseModel):
    token: Annotated[str, Field(max_length=100, description="From the link that was mailed")]
    new_password: NewPassword
    end_access: bool = Field(default=True, description="End all tokens and sessions of the account")


class Confirmation(BaseModel):
    token: Annotated[str, Field(max_length=100, description="From the link that was mailed")]


class PasswordChange(BaseModel):
    password: Annotated[str, Field(max_length=MAX_CHARS, description="The current password")]
    new_password: NewPassword


class Login(BaseModel):
    username: Annotated[str, Field(max_length=100)]
    password: Annotated[str, Field(max_length=MAX_CHARS)]


class SessionView(BaseModel):
    username: str
    csrf_token: str = Field(description="Send it with every change that uses the session's cookie")


class NewToken(BaseModel):
    name: TokenName = "api"
    expires_in_days: Annotated[int, Field(ge=1, le=730, examples=[90])] = 365


class TokenCreated(BaseModel):
    id: UUID
    name: str
    token: str = Field(description="Shown once, stored as a digest")
    expires_at: datetime


class NewDevice(BaseModel):
    name: TokenName = "lethe"


class DeviceCreated(BaseModel):
    """As RFC 8628 names it."""

    device_code: str = Field(description="Secret of the program; asks for the token")
    user_code: str = Field(description="What the person compares in the browser")
    verification_uri: str = Field(description="Page on which the person confirms")
    verification_uri_complete: str = Field(description="The same page, with the code")
    expires_in: int = Field(description="Seconds")
    interval: int = Field(description="Seconds between two requests for the token")


class DeviceCode(BaseModel):
    device_code: Annotated[str, Field(max_length=100)]


class DeviceToken(BaseModel):
    username: str
    id: UUID
    name: str
    token: str = Field(description="Shown once, stored as a digest")
    expires_at: datetime


class TokenRow(BaseModel):
    id: UUID
    name: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = Field(description="Exact to a minute")
