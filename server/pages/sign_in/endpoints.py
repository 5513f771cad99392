"""Routes of a sign-in elsewhere: to the provider, back from it, and the account that is created or linked then."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from lethe.server.accounts import identities
from lethe.server.accounts.identities import IdentityTaken, ProvenIdentity
from lethe.server.accounts.registration import create_account
from lethe.server.accounts.schemas import NewPerson
from lethe.server.context import AppContext, Context
from lethe.server.errors import RequestError
from lethe.server.http.client_address import client_address
from lethe.server.http.sub_path import public_url, root_path
from lethe.server.models import User
from lethe.server.pages.account.endpoints import by_invite, login_page, show_account, with_session
from lethe.server.pages.forms import local_path, redirect, refusal_status, refusal_text, with_retry_after
from lethe.server.pages.rendering import SECURITY_HEADERS, render_page
from lethe.server.pages.sign_in.view import SignInPage, name_of
from lethe.server.security import sessions
from lethe.server.security.login import (
    check_password,
    count_sign_in,
    prove_person,
    remember_address,
    require_enabled,
)
from lethe.server.security.sessions import FormVisitor, OptionalVisitor, SameOrigin, Visitor
from lethe.server.sign_in import flows
from lethe.server.sign_in.flows import FLOW_COOKIE, PROOF_COOKIE, Visit

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Form(max_length=1_000)]
Answer = TypeVar("Answer")
AT_ONCE = 8
"""Sign-ins that wait for a provider at a time, so that one that is away takes no thread from other requests."""


def _threads(_context: Context) -> CapacityLimiter:
    return CapacityLimiter(AT_ONCE)


@router.get("/sign-in")
def completion_form(request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """Ask whether an account is to be created or linked, after a first sign-in with an account elsewhere."""
    try:
        return _completion(request, context, visitor)
    except RequestError as error:
        return _refused(request, context, visitor, error)


@router.get("/sign-in/{name}")
async def begin(
    name: str,
    request: Request,
    context: AppContext,
    visitor: OptionalVisitor,
    next: str = "/account",  # noqa: A002
    invite: str = "",
) -> Response:
    """Send the browser to a provider."""
    provider = flows.find_provider(context.settings, name)
    visit = Visit(local_path(next, "/account"), invite)

    def started() -> tuple[str, str]:
        count_sign_in(context, client_address(request.scope))
        return flows.begin(context, provider, visit, _callback(request, name))

    try:
        url, cookie = await _wait(context, started)
    except RequestError as error:
        return await run_in_threadpool(_refused, request, context, visitor, error, visit.next)
    answer = RedirectResponse(url, status_code=303, headers={**SECURITY_HEADERS, "Cache-Control": "no-store"})
    sessions.set_cookie(request, answer, cookie, base=FLOW_COOKIE, kept=flows.KEPT)
    return answer


@router.get("/sign-in/{name}/callback")
async def finish(name: str, request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """Take the browser back from a provider: log its account in, or ask what to do with an unknown one."""
    provider = flows.find_provider(context.settings, name)
    said, cookie = dict(request.query_params), _cookie(request, FLOW_COOKIE)

    def finished() -> Response:
        visit, identity = flows.finish(context, provider, cookie, said, _callback(request, name))
        text = _log_in(context, visitor, identity, client_address(request.scope))
        if text is not None:
            return with_session(request, text, visit.next)
        answer = redirect("/sign-in")
        proof = flows.keep_proof(context.settings, provider, visit, identity)
        sessions.set_cookie(request, answer, proof, base=PROOF_COOKIE, kept=flows.KEPT)
        return answer

    try:
        answer = await _wait(context, finished)
    except RequestError as error:
        answer = await run_in_threadpool(_refused, request, context, visitor, error)
    sessions.clear_cookie(request, answer, base=FLOW_COOKIE)
    return answer


@router.post("/sign-in/new")
def create(
    request: Request,
    context: AppContext,
    _: SameOrigin,
    username: Text = "",
    email: Text = "",
    invite: Text = "",
) -> Response:
    """Create an account without a password, which the proven account elsewhere logs in to."""
    try:
        _provider, visit, identity = flows.read_proof(context.settings, _cookie(request, PROOF_COOKIE))

        def give_access(session: Session, user: User) -> str:
            identities.link(session, user.id, identity)
            return sessions.begin(session, user.id)

        _user, text = create_account(
            context,
            NewPerson(username=username, email=email, invite=invite or None),
            address=client_address(request.scope),
            give_access=give_access,
            confirmed_email=identity.email,
        )
    except (RequestError, ValidationError) as error:
        return _again(request, context, None, error, username=username, email=email, invite=invite)
    return _done(request, with_session(request, text, _after(visit, "registered")))


@router.post("/sign-in/link")
async def link(
    request: Request,
    context: AppContext,
    visitor: OptionalVisitor,
    _: SameOrigin,
    username: Text = "",
    password: Text = "",
    csrf_token: Text = "",
) -> Response:
    """Link the proven account elsewhere to an account, whose password proves that it is the same person's."""
    address = client_address(request.scope)
    try:
        _provider, visit, identity = flows.read_proof(context.settings, _cookie(request, PROOF_COOKIE))
        if visitor is None:
            user = await check_password(context, username, password, address=address)
        else:
            sessions.require_proof(request, visitor, csrf_token)
            user = await prove_person(context, visitor.user, password, address=address, signed_in_at=visitor.began_at)
        text = await run_in_threadpool(_link, context, user.id, identity)
    except RequestError as error:
        return await run_in_threadpool(_again, request, context, visitor, error)
    return _done(request, with_session(request, text, _after(visit, "linked")))


@router.post("/account/identities/{identity_id}/delete")
def unlink(identity_id: UUID, request: Request, context: AppContext, visitor: FormVisitor) -> Response:
    """Unlink an account elsewhere."""
    try:
        with context.database.write() as session:
            identities.unlink(session, visitor.user.id, identity_id)
    except RequestError as error:
        return show_account(request, context, visitor, problem=str(error), status=error.status)
    return redirect("/account", "unlinked")


async def _wait(context: Context, act: Callable[[], Answer]) -> Answer:
    return await to_thread.run_sync(act, limiter=context.one(_threads))


def _log_in(context: Context, visitor: Visitor | None, identity: ProvenIdentity, address: str) -> str | None:
    """Return the text of a new session of the identity's account, or None if it has none.

    Raises AccountDisabled, and IdentityTaken when somebody else is logged in: they wanted to link it.
    """
    with context.database.write() as session:
        owner = identities.owner_of(session, identity)
        if owner is None:
            return None
        require_enabled(owner)
        if visitor is not None and visitor.user.id != owner.id:
            raise IdentityTaken("This sign-in is linked to another account. Log out, and sign in with it.")
        remember_address(session, owner.id, address)
        return sessions.begin(session, owner.id)


def _link(context: Context, user_id: UUID, identity: ProvenIdentity) -> str:
    with context.database.write() as session:
        identities.link(session, user_id, identity)
        return sessions.begin(session, user_id)


def _completion(
    request: Request,
    context: Context,
    visitor: Visitor | None,
    error: RequestError | ValidationError | None = None,
    **typed: str,
) -> Response:
    """Render the page; raises SignInRefused without a proof."""
    provider, visit, identity = flows.read_proof(context.settings, _cookie(request, PROOF_COOKIE))
    view = SignInPage(
        title=provider.title,
        label=identity.label,
        username=typed.get("username") or name_of(identity.label),
        email=typed.get("email") or identity.email,
        is_verified=bool(identity.email),
        invite=typed.get("invite") or visit.invite,
        by_invite=by_invite(context),
        asks_password=visitor is None or bool(visitor.user.password_hash),
        problem="" if error is None else refusal_text(error, NewPerson),
    )
    status = 200 if error is None else refusal_status(error)
    return render_page(request, "sign_in/sign_in.html", view, visitor, status=status, cacheable=False)


def _again(
    request: Request,
    context: Context,
    visitor: Visitor | None,
    error: RequestError | ValidationError,
    **typed: str,
) -> Response:
    try:
        return with_retry_after(_completion(request, context, visitor, error, **typed), error)
    except RequestError as gone:
        return _refused(request, context, visitor, gone)


def _refused(
    request: Request, context: Context, visitor: Visitor | None, error: RequestError, target: str = "/account"
) -> Response:
    """Say on the login page, or on the account of who is logged in, why a sign-in ended."""
    if visitor is None:
        return login_page(request, context, target, error=error)
    return with_retry_after(show_account(request, context, visitor, problem=str(error), status=error.status), error)


def _done(request: Request, answer: Response) -> Response:
    sessions.clear_cookie(request, answer, base=PROOF_COOKIE)
    return answer


def _after(visit: Visit, done: str) -> str:
    return f"/account?done={done}" if visit.next == "/account" else visit.next


def _callback(request: Request, name: str) -> str:
    return f"{public_url(request)}/sign-in/{name}/callback"


def _cookie(request: Request, base: str) -> str | None:
    found: Any = request.cookies.get(sessions.cookie_name(request.url, root_path(request), base))
    return found if isinstance(found, str) else None
