"""Templates into responses: escaping, security headers, entity tags, and files that browsers may keep."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from server.http.entity_tags import etag_matches

if TYPE_CHECKING:  # sessions know the context, whose errors this module shows
    from server.security.sessions import Visitor

PAGES = Path(__file__).parent  # each noun's templates lie beside its code
TEMPLATES = Path(__file__).with_name("templates")  # those that several nouns share
STATIC = Path(__file__).with_name("static")
READ = ["GET", "HEAD"]

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True)
class Seen:
    """What every page needs to know of who is logged in."""

    username: str
    csrf_token: str


class Assets(StaticFiles):
    """The static files. An address with the current version may be kept for ever, any other is asked again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        version = scope["query_string"].decode("latin-1").removeprefix("v=")
        keep = version != "" and version == asset_versions().get(path)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if keep else "no-cache"
        response.headers.update(SECURITY_HEADERS)
        return response


def page(
    request: Request,
    template: str,
    view: object,
    visitor: "Visitor | None" = None,
    *,
    status: int = 200,
    keep: bool = True,
    tag: str = "",
) -> Response:
    """`view` rendered by `template` with security headers and an entity tag; 304 without a body when it is unchanged.

    The tag, unless one is given, is a digest of the view's `repr`, so views are frozen dataclasses, and unchanged pages
    are never rendered. What a visitor sees is theirs alone: no shared cache may hold it. `keep` is false where not even
    the browser may.
    """
    registers = request.app.state.context.settings.registration != "closed"
    seen = _seen(visitor)
    if not keep or status != 200:
        text = render(template, view=view, visitor=seen, registers=registers, etag="")
        headers = {**SECURITY_HEADERS, "Vary": "Cookie", "Cache-Control": "no-store"}
        return HTMLResponse(text, status_code=status, headers=headers)
    tag = tag or entity_tag(request, template, visitor, view)
    if is_known(request, tag):
        return unchanged(tag, visitor)
    text = render(template, view=view, visitor=seen, registers=registers, etag=tag)
    return HTMLResponse(text, headers=_kept_headers(tag, visitor))


def entity_tag(request: Request, template: str, visitor: "Visitor | None", *parts: object) -> str:
    """The tag of a page that depends on `parts`, by their `repr`, on who looks at it and on this release."""
    registers = request.app.state.context.settings.registration != "closed"
    told = (repr(part) for part in (_seen(visitor), registers, *parts))
    return f'W/"{_digest(_fingerprint(), template, *told)}"'


def unchanged(tag: str, visitor: "Visitor | None") -> Response:
    """The answer to a browser that has the page with `tag`."""
    return Response(status_code=304, headers=_kept_headers(tag, visitor))


def _kept_headers(tag: str, visitor: "Visitor | None") -> dict[str, str]:
    kept = "private, no-cache" if visitor else "no-cache"
    return {**SECURITY_HEADERS, "Vary": "Cookie", "ETag": tag, "Cache-Control": kept}


def _seen(visitor: "Visitor | None") -> Seen | None:
    return None if visitor is None else Seen(visitor.user.username, visitor.csrf_token)


def is_known(request: Request, tag: str) -> bool:
    """Whether the request's If-None-Match names `tag`, by weak comparison."""
    return etag_matches(request.headers.get("if-none-match", ""), tag)


def render(template: str, **values: Any) -> str:
    """The text of `template`; every value in it is escaped, and a missing one raises jinja2.UndefinedError."""
    return _environment().get_template(template).render(**values)


def macro(template: str, name: str, *values: object) -> Markup:
    """What the macro `name` of `template` makes of `values`: text that a page may hold as it is."""
    found: Markup = getattr(_environment().get_template(template).module, name)(*values)
    return found


def asset(name: str) -> str:
    """The address of a static file with its version; KeyError when there is no such file."""
    return f"/static/{name}?v={asset_versions()[name]}"


@cache
def asset_versions() -> dict[str, str]:
    """Digests of all static files, read once per process."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in STATIC.iterdir() if path.is_file()
    }


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, PAGES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = asset
    environment.globals["visitor"] = None
    environment.globals["registers"] = False
    return environment


@cache
def _fingerprint() -> str:
    """Changes with every template and static file, so that an upgraded server never answers 304 for an old page."""
    paths = sorted(path for path in PAGES.rglob("*") if path.suffix in {".html", ".svg"})
    return _digest(*(path.read_text(encoding="utf-8") for path in paths), *sorted(asset_versions().values()))


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:32]
