"""Login, registration and account, as values for their templates."""

from dataclasses import dataclass
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from lethe.server.accounts import addresses, identities
from lethe.server.accounts import service as accounts
from lethe.server.accounts.roles import hosted_competitions
from lethe.server.accounts.schemas import MIN_CHARS
from lethe.server.mail.outbox import NOTICES
from lethe.server.models import ApiToken
from lethe.server.pages.formatting import Moment, moment, score_text
from lethe.server.pages.headlines import headline
from lethe.server.security.sessions import Visitor
from lethe.server.settings import Settings
from lethe.server.submissions import queries
from lethe.server.submissions.schemas import SubmissionView
from lethe.server.submissions.views import view_all
from lethe.server.teams import service as teams
from lethe.server.teams.views import team_view

TOKENS_SHOWN = 50
SUBMISSIONS_SHOWN = 20


@dataclass(frozen=True)
class Way:
    """A provider that people sign in with, and where a sign-in with it begins."""

    title: str
    href: str


@dataclass(frozen=True)
class LoginForm:
    """The login form; after a refusal with the user name that was typed, never the password."""

    next: str
    problem: str
    username: str = ""
    has_mail: bool = False
    notice: str = ""
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True)
class ResetForm:
    """The form that asks for a link by mail, and with a `token` from one the form for the new password."""

    problem: str = ""
    notice: str = ""
    token: str = ""
    min_chars: int = MIN_CHARS


@dataclass(frozen=True)
class LinkPage:
    """What a link of a mail does after a click, so that no program that follows links does it."""

    title: str
    text: str
    action: str
    button: str
    problem: str = ""
    notice: str = ""


@dataclass(frozen=True)
class NoticeLine:
    """Something that people may be told by mail."""

    kind: str
    text: str
    is_chosen: bool


@dataclass(frozen=True)
class RegistrationForm:
    """The registration form; after a refusal with what was typed, never the password."""

    problem: str
    username: str = ""
    email: str = ""
    invite: str = ""
    next: str = "/account"
    by_invite: bool = False
    min_chars: int = MIN_CHARS
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True)
class IdentityLine:
    """An account elsewhere that is linked; `issuer` is its provider's title here, or its address if that is gone."""

    id: str
    issuer: str
    label: str
    created: Moment


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
    """The tokens, teams and submissions of an account; `fresh_token` is shown once, right after its creation."""

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
    has_mail: bool
    is_confirmed: bool
    notices: tuple[NoticeLine, ...]
    is_daily: bool
    has_password: bool
    identities: tuple[IdentityLine, ...]
    ways: tuple[Way, ...]
    min_chars: int = MIN_CHARS


def ways(settings: Settings, *, next_path: str, invite: str = "") -> tuple[Way, ...]:
    """Return the providers of the site; a sign-in with one of them leads to `next_path` in the end."""
    query = urlencode({"next": next_path} | ({"invite": invite} if invite else {}))
    return tuple(Way(one.title, f"/sign-in/{one.name}?{query}") for one in settings.sign_in_providers)


def account_page(
    session: Session, visitor: Visitor, settings: Settings, *, base_url: str, notice: str, problem: str,
    fresh_token: str,
) -> AccountPage:  # fmt: skip
    """Return the account of `visitor`, who reached this server at `base_url`."""
    tokens, _ = accounts.list_tokens(session, visitor.user.id, cursor=None, limit=TOKENS_SHOWN)
    own_teams = [team_view(session, team) for team in teams.list_own(session, visitor.user)]
    chosen = addresses.preference_of(session, visitor.user.id)
    wanted = chosen.notices if chosen is not None else []
    recent = queries.recent(session, visitor.user, limit=SUBMISSIONS_SHOWN)
    return AccountPage(
        username=visitor.user.username,
        email=visitor.user.email,
        notice=notice,
        problem=problem,
        fresh_token=fresh_token,
        server=base_url.rstrip("/"),
        tokens=tuple(_token_line(token) for token in tokens),
        teams=tuple(TeamLine(team.competition, team.name, ", ".join(team.members)) for team in own_teams),
        submissions=tuple(_submission_line(one) for one in view_all(session, recent, with_estimate=False)),
        hosted=tuple((one.slug, one.title) for one in hosted_competitions(session, visitor.user)),
        has_mail=settings.mail_server is not None,
        is_confirmed=chosen is not None and chosen.confirmed_at is not None,
        notices=tuple(NoticeLine(kind, text, kind in wanted) for kind, text in NOTICES.items()),
        is_daily=chosen is None or chosen.is_daily,
        has_password=bool(visitor.user.password_hash),
        identities=_identity_lines(session, visitor, settings),
        ways=ways(settings, next_path="/account"),
    )


def _identity_lines(session: Session, visitor: Visitor, settings: Settings) -> tuple[IdentityLine, ...]:
    titles = {one.issuer: one.title for one in settings.sign_in_providers}
    return tuple(
        IdentityLine(str(one.id), titles.get(one.issuer, one.issuer), one.label, moment(one.created_at))
        for one in identities.list_own(session, visitor.user.id)
    )


def _token_line(token: ApiToken) -> TokenLine:
    return TokenLine(
        id=str(token.id),
        name=token.name,
        created=moment(token.created_at),
        expires=moment(token.expires_at),
        used=None if token.last_used_at is None else moment(token.last_used_at),
    )


def _submission_line(view: SubmissionView) -> SubmissionLine:
    return SubmissionLine(
        id=str(view.id),
        slug=view.competition,
        filename=view.filename,
        headline=headline(view),
        state=view.state,
        score="" if view.score is None else score_text(view.score),
        created=moment(view.created_at),
    )
