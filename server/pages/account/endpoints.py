"""Pages of people: log in and out, register, and the account with its tokens, teams and submissions."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from evaluator.contract.states import SubmissionState
from server.accounts import service as accounts
from server.accounts.roles import hosted_competitions
from server.accounts.schemas import NewToken, NewUser, PasswordChange
from server.context import AppContext, Context
from server.errors import RequestError
from server.http.client_address import client_address
from server.models import ApiToken
from server.pages import texts
from server.pages.formatting import Moment, moment, score_text
from server.pages.forms import local_path, notice, refusal, refusal_status, to, to_login, with_wait
from server.pages.rendering import READ, page
from server.security import sessions
from server.security.login import count_registration, verify_password
from server.security.passwords import MIN_CHARS, hash_password
from server.security.sessions import FormVisitor, OptionalVisitor, SameOrigin, Visitor
from server.submissions import queries as submission_queries
from server.submissions.views import view_all
from server.teams import service as teams
from server.teams.views import team_view

router = APIRouter(include_in_schema=False)

TOKENS_SHOWN = 50
SUBMISSIONS_SHOWN = 20

Text = Annotated[str, Form(max_length=1_000)]


@dataclass(frozen=True)
class Entry:
    """The login or the registration form, with what was typed before it was refused; never the password."""

    next: str
    problem: str
    username: str = ""
    email: str = ""
    invite: str = ""
    by_invite: bool = False
    min_chars: int = MIN_CHARS


@dataclass(frozen=True)
class TokenLine:
    """An API token, without its text."""

    id: str
    name: str
    created: Moment
    expires: Moment
    used: Moment | None


@dataclass(frozen=True)
class TeamLine:
    """One of my teams."""

    slug: str
    name: str
    members: str


@dataclass(frozen=True)
class SubmissionLine:
    """One of my teams' submissions."""

    id: str
    slug: str
    filename: str
    headline: str
    state: str
    score: str
    created: Moment


@dataclass(frozen=True)
class AccountPage:
    """What an account has; `fresh_token` is shown once, right after it was made."""

    username: str
    email: str
    notice: str
    problem: str
    fresh_token: str
    server: str
    tokens: tuple[TokenLine, ...]
    teams: tuple[TeamLine, ...]
    submissions: tuple[SubmissionLine, ...]
    hosted: tuple[tuple[str, str], ...]
    min_chars: int = MIN_CHARS


@router.api_route("/login", methods=READ)
def login_form(request: Request, visitor: OptionalVisitor, next: str = "/account") -> Response:  # noqa: A002
    """Where one logs in."""
    target = local_path(next, "/account")
    return to(target) if visitor else page(request, "account/login.html", Entry(next=target, problem=""), keep=False)


@router.post("/login")
def log_in(
    request: Request,
    context: AppContext,
    _: SameOrigin,
    username: Text = "",
    password: Text = "",
    next: Text = "/account",  # noqa: A002
) -> Response:
    """Begin a session, or say why not."""
    target = local_path(next, "/account")
    try:
        user = verify_password(context, username, password, address=client_address(request.scope))
    except RequestError as error:
        entry = Entry(next=target, problem=refusal(error), username=username)
        return with_wait(page(request, "account/login.html", entry, status=error.status), error)
    return _begin(request, context, user.id, target)


@router.api_route("/register", methods=READ)
def registration_form(request: Request, context: AppContext, visitor: OptionalVisitor, invite: str = "") -> Response:
    """Where one makes an account."""
    entry = Entry(next="", problem="", invite=invite, by_invite=_by_invite(context))
    return to("/account") if visitor else page(request, "account/register.html", entry, keep=False)


@router.post("/register")
def register(
    request: Request,
    context: AppContext,
    _: SameOrigin,
    username: Text = "",
    email: Text = "",
    password: Text = "",
    invite: Text = "",
) -> Response:
    """Make an account and begin a session, or say why not."""
    try:
        count_registration(context, client_address(request.scope))
        new = NewUser(username=username, email=email, password=password, invite=invite or None)
        password_hash = hash_password(new.password)
        with context.database.write() as session:
            user = accounts.register(
                session, new, password_hash=password_hash, registration=context.settings.registration
            )
    except (RequestError, ValidationError) as error:
        problem = refusal(error, NewUser)
        entry = Entry("", problem, username=username, email=email, invite=invite, by_invite=_by_invite(context))
        return with_wait(page(request, "account/register.html", entry, status=refusal_status(error)), error)
    return _begin(request, context, user.id, "/account?done=registered")


@router.post("/logout")
def log_out(request: Request, context: AppContext, visitor: FormVisitor) -> Response:
    """End this browser's session."""
    with context.database.write() as session:
        sessions.end(session, visitor.session_id)
    answer = to("/")
    sessions.clear_cookie(request, answer)
    return answer


@router.api_route("/account", methods=READ)
def account(request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """My tokens, teams and submissions."""
    return to_login(request) if visitor is None else _account(request, context, visitor)


@router.post("/account/tokens")
def make_token(
    request: Request, context: AppContext, visitor: FormVisitor, name: Text = "", days: Text = ""
) -> Response:
    """Make a token and show it, this once."""
    try:
        new = NewToken.model_validate({"name": name, "expires_in_days": days})
        with context.database.write() as session:
            _, text = accounts.create_token(session, visitor.user.id, new.name, days=new.expires_in_days)
    except (RequestError, ValidationError) as error:
        return _account(request, context, visitor, problem=refusal(error, NewToken), status=refusal_status(error))
    return _account(request, context, visitor, fresh_token=text)


@router.post("/account/tokens/{token_id}/delete")
def delete_token(token_id: UUID, context: AppContext, visitor: FormVisitor) -> Response:
    """Delete a token of mine."""
    with context.database.write() as session:
        accounts.delete_token(session, visitor.user.id, token_id)
    return to("/account", "token-deleted")


@router.post("/account/password")
def change_password(
    request: Request, context: AppContext, visitor: FormVisitor, password: Text = "", new_password: Text = ""
) -> Response:
    """Change my password; every token and session ends with it, and this browser gets a new session."""
    try:
        change = PasswordChange(password=password, new_password=new_password)
        verify_password(context, visitor.user.username, change.password, address=client_address(request.scope))
        password_hash = hash_password(change.new_password)
        with context.database.write() as session:
            accounts.set_password(session, visitor.user.id, password_hash)
    except (RequestError, ValidationError) as error:
        problem = refusal(error, PasswordChange)
        return with_wait(_account(request, context, visitor, problem=problem, status=refusal_status(error)), error)
    return _begin(request, context, visitor.user.id, "/account?done=password")


def _begin(request: Request, context: Context, user_id: UUID, target: str) -> Response:
    with context.database.write() as session:
        text = sessions.begin(session, user_id)
    answer = to(target)
    sessions.set_cookie(request, answer, text)
    return answer


def _by_invite(context: Context) -> bool:
    return context.settings.registration == "invite-only"


def _account(
    request: Request,
    context: Context,
    visitor: Visitor,
    *,
    problem: str = "",
    fresh_token: str = "",
    status: int = 200,
) -> Response:
    with context.database.read() as session:
        view = AccountPage(
            username=visitor.user.username,
            email=visitor.user.email,
            notice=notice(request),
            problem=problem,
            fresh_token=fresh_token,
            server=str(request.base_url).rstrip("/"),
            **_belongings(session, visitor),
        )
    return page(request, "account/account.html", view, visitor, status=status, keep=False)


def _belongings(session: Session, visitor: Visitor) -> dict[str, Any]:
    tokens, _ = accounts.list_tokens(session, visitor.user.id, cursor=None, limit=TOKENS_SHOWN)
    own_teams = [team_view(session, team) for team in teams.list_own(session, visitor.user)]
    recent = submission_queries.recent(session, visitor.user, limit=SUBMISSIONS_SHOWN)
    found = view_all(session, recent, with_estimate=False)
    return {
        "hosted": tuple((one.slug, one.title) for one in hosted_competitions(session, visitor.user)),
        "tokens": tuple(_token_line(token) for token in tokens),
        "teams": tuple(TeamLine(team.competition, team.name, ", ".join(team.members)) for team in own_teams),
        "submissions": tuple(
            SubmissionLine(
                id=str(one.id),
                slug=one.competition,
                filename=one.filename,
                headline=texts.HEADLINES[SubmissionState(one.state)],
                state=one.state,
                score="" if one.score is None else score_text(one.score),
                created=moment(one.created_at),
            )
            for one in found
        ),
    }


def _token_line(token: ApiToken) -> TokenLine:
    return TokenLine(
        id=str(token.id),
        name=token.name,
        created=moment(token.created_at),
        expires=moment(token.expires_at),
        used=None if token.last_used_at is None else moment(token.last_used_at),
    )
