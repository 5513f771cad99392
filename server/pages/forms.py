"""Redirects, notices and refusals of the forms on all pages."""

from urllib.parse import quote

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ValidationError

from lethe.server.errors import RequestError
from lethe.server.pages.rendering import SECURITY_HEADERS

NOTICES = {
    "done": "Done.",
    "registered": "Welcome. Your account is ready.",
    "password": "Password changed. All other sessions and all tokens have ended.",
    "saved": "Saved.",
    "mailed": "A mail with a link is on its way.",
    "reset-mailed": "If there is such an account, a mail with a link is on its way. It works once, for 30 minutes.",
    "reset": "Password changed. Log in with the new one.",
    "confirmed": "Your address is confirmed.",
    "account-deleted": "Your account is deleted.",
    "token-deleted": "Token deleted. It no longer works.",
    "linked": "Linked. From now on you can sign in with it.",
    "unlinked": "Unlinked. Nobody can sign in with it any more.",
    "device": "Confirmed. The program has its token in a moment; you can close this page.",
    "device-refused": "Refused. The program gets no token.",
    "terms": "Terms accepted.",
    "joined": "You have joined the team.",
    "team-made": "Team created.",
    "renamed": "Team renamed.",
    "left": "You have left the team.",
    "invite-deleted": "Invitation deleted.",
    "webhook-deleted": "Webhook deleted.",
    "redelivered": "It is sent again. Its answer is listed within a minute.",
    "cancelled": "Submission cancelled.",
    "resubmitted": "Your team has already submitted this program. This is that submission; it cost no quota.",
    "measuring": "All measures will be computed, after every waiting score.",
    "described": "Saved.",
    "published": "The source is published.",
    "withdrawn": "The source is no longer published.",
    "selected": "Selected for the final evaluation.",
    "completing": "Its remaining runs are queued.",
    "edited": "Saved. The competition's page says when it was edited.",
    "unchanged": "Nothing to save: every field contains what is stored already.",
    "deleted": "The competition is deleted. The audit log stays.",
    "photographs-deleted": "The photographs, and everything that was made of them, are deleted.",
    "unselected": "No longer selected for the final evaluation.",
}
"""What a page may say after a form was sent. The address names one of them, so no link can make a page say more."""


FULL = "full"
"""In an address: the submission that could not be selected, because all selections are used."""


def notice(request: Request) -> str:
    """Return the sentence that the address names, or nothing."""
    return NOTICES.get(request.query_params.get("done", ""), "")


def local_path(path: str, default: str) -> str:
    """Return `path` if it lies on this site, else `default`: a login must not lead to another site."""
    is_local = path.startswith("/") and not path.startswith("//") and path.isascii() and path.isprintable()
    return path if is_local and "\\" not in path else default


def redirect_to_login(request: Request) -> RedirectResponse:
    """Send the visitor to the login, and from there back to this page."""
    query = f"?{request.url.query}" if request.url.query else ""
    return redirect(f"/login?next={quote(request.url.path + query, safe='/')}")


def redirect(path: str, done: str = "") -> RedirectResponse:
    """Answer an accepted form with another page, so that reloading sends nothing twice; `done` names its notice."""
    address = f"{path}{'&' if '?' in path else '?'}done={done}" if done else path
    return RedirectResponse(address, status_code=303, headers={**SECURITY_HEADERS, "Cache-Control": "no-store"})


def refusal_text(error: RequestError | ValidationError, schema: type[BaseModel] | None = None) -> str:
    """Return why a form was refused; for an invalid field, the description that `schema` gives of it."""
    if isinstance(error, RequestError):
        return str(error)
    fields = {} if schema is None else schema.model_fields
    names = dict.fromkeys(str(fault["loc"][0]) for fault in error.errors() if fault["loc"])
    sentences = []
    for name in names:
        about = fields[name].description if name in fields else None
        sentences.append(f"{name.replace('_', ' ').capitalize()}: {about or 'not valid'}.")
    return " ".join(sentences) or "The form is not valid."


def with_retry_after(answer: Response, error: RequestError | ValidationError) -> Response:
    """Return `answer` with the error's Retry-After, if it has one."""
    wait_s = error.headers.get("Retry-After") if isinstance(error, RequestError) else None
    if wait_s is not None:
        answer.headers["Retry-After"] = wait_s
    return answer


def refusal_status(error: RequestError | ValidationError) -> int:
    """Return the HTTP status of a page that shows a refusal."""
    return error.status if isinstance(error, RequestError) else 422
