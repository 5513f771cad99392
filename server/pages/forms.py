"""What the forms of all pages share: where they lead, what they say afterwards, and why they were refused."""

from urllib.parse import quote

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ValidationError

from server.errors import RequestError
from server.pages import texts
from server.pages.rendering import SECURITY_HEADERS


def notice(request: Request) -> str:
    """The sentence that the address asks for, or nothing."""
    return texts.NOTICES.get(request.query_params.get("done", ""), "")


def local_path(wanted: str, otherwise: str) -> str:
    """`wanted` when it is a path of this site, else `otherwise`: a login must not lead anybody elsewhere."""
    is_local = wanted.startswith("/") and not wanted.startswith("//") and wanted.isascii() and wanted.isprintable()
    return wanted if is_local and "\\" not in wanted else otherwise


def to_login(request: Request) -> RedirectResponse:
    """To the login, and from there back to where the visitor wanted to go."""
    return to(f"/login?next={quote(request.url.path)}")


def to(path: str, done: str = "") -> RedirectResponse:
    """The answer to a form that was accepted: another page, so that reloading sends nothing twice."""
    address = f"{path}?done={done}" if done else path
    return RedirectResponse(address, status_code=303, headers={**SECURITY_HEADERS, "Cache-Control": "no-store"})


def refusal(error: RequestError | ValidationError, schema: type[BaseModel] | None = None) -> str:
    """Why a form was refused, in words: of a wrong field its description says what it takes."""
    if isinstance(error, RequestError):
        return str(error)
    fields = {} if schema is None else schema.model_fields
    names = dict.fromkeys(str(fault["loc"][0]) for fault in error.errors() if fault["loc"])
    said = []
    for name in names:
        about = fields[name].description if name in fields else None
        said.append(texts.WRONG_FIELD.format(field=name.replace("_", " ").capitalize(), about=about or texts.NOT_VALID))
    return " ".join(said) or texts.FORM_NOT_VALID


def with_wait(answer: Response, error: RequestError | ValidationError) -> Response:
    """`answer` to a refused form; it says in a header, too, when the form may be sent again, where that is known."""
    wait_s = error.headers.get("Retry-After") if isinstance(error, RequestError) else None
    if wait_s is not None:
        answer.headers["Retry-After"] = wait_s
    return answer


def refusal_status(error: RequestError | ValidationError) -> int:
    """The HTTP status of a page that shows a refusal."""
    return error.status if isinstance(error, RequestError) else 422
