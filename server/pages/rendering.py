"""Renders templates into responses, with escaping, security headers, entity tags and versioned static files."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from lethe.server.http.entity_tags import etag_matches
from lethe.server.http.sub_path import root_path, site_url
from lethe.server.security.sessions import Visitor

PAGES = Path(__file__).parent  # each noun's templates lie beside its code
TEMPLATES = Path(__file__).with_name("templates")  # those that several nouns share
STATIC = Path(__file__).with_name("static")

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
class PageVisitor:
    """The logged-in user, as the base template needs it."""

    username: str
    csrf_token: str
    is_operator: bool = False
    hosted: tuple[str, ...] = ()

    def hosts(self, slug: str) -> bool:
        """Return whether the user hosts the competition `slug`."""
        return self.is_operator or slug in self.hosted


class Assets(StaticFiles):
    """Serves the static files: for ever under the current version, to be revalidated under any other address."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        version = scope["query_string"].decode("latin-1").removeprefix("v=")
        is_current = version != "" and version == asset_versions().get(path)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_current else "no-cache"
        response.headers.update(SECURITY_HEADERS)
        return response


def render_page(
    request: Request,
    template: str,
    view: object,
    visitor: Visitor | None = None,
    *,
    status: int = 200,
    cacheable: bool = True,
    tag: str = "",
) -> Response:
    """Render `view` with security headers and an entity tag, or answer 304 without a body if it is unchanged.

    The tag, unless one is given, is a digest of the view's `repr`, so views are frozen dataclasses, and unchanged pages
    are never rendered. A visitor's pages are private: no shared cache may store them. If `cacheable` is false, the
    browser may not either.
    """
    values = {
        "view": view,
        "visitor": _page_visitor(visitor),
        "registers": request.app.state.context.settings.registration != "closed",
        "site": site_url(request),
        "path": request.url.path,
    }
    if not cacheable or status != 200:
        text = render(root_path(request), template, **values, etag="")
        headers = {**SECURITY_HEADERS, "Vary": "Cookie", "Cache-Control": "no-store"}
        return HTMLResponse(text, status_code=status, headers=headers)
    tag = tag or entity_tag(request, template, visitor, view)
    if client_has(request, tag):
        return not_modified(tag, visitor)
    text = render(root_path(request), template, **values, etag=tag)
    return HTMLResponse(text, headers=_cache_headers(tag, visitor))


def entity_tag(request: Request, template: str, visitor: Visitor | None, *parts: object) -> str:
    """Return the tag of a page that depends on the `repr` of `parts`, on the visitor and on this release."""
    registers = request.app.state.context.settings.registration != "closed"
    texts = (repr(part) for part in (_page_visitor(visitor), registers, root_path(request), *parts))
    return f'W/"{_digest(_fingerprint(), template, *texts)}"'


def not_modified(tag: str, visitor: Visitor | None) -> Response:
    """Answer 304 to a browser that has the page with `tag`."""
    return Response(status_code=304, headers=_cache_headers(tag, visitor))


def _cache_headers(tag: str, visitor: Visitor | None) -> dict[str, str]:
    policy = "private, no-cache" if visitor else "no-cache"
    return {**SECURITY_HEADERS, "Vary": "Cookie", "ETag": tag, "Cache-Control": policy}


def _page_visitor(visitor: Visitor | None) -> PageVisitor | None:
    if visitor is None:
        return None
    user = visitor.user
    return PageVisitor(user.username, visitor.csrf_token, user.is_operator, tuple(sorted(visitor.hosted)))


def client_has(request: Request, tag: str) -> bool:
    """Return whether the request's If-None-Match lists `tag`, by weak comparison."""
    return etag_matches(request.headers.get("if-none-match", ""), tag)


def render(root: str, template: str, **values: Any) -> str:
    """Return the text of `template` for a site below `root`.

    Every value is escaped; a missing one raises jinja2.UndefinedError.
    """
    return template_environment(root).get_template(template).render(**values)


def render_macro(root: str, template: str, name: str, *values: object) -> Markup:
    """Return the output of the macro `name` of `template`, marked as safe for another template."""
    module = template_environment(root).get_template(template).module
    found: Markup = getattr(module, name)(*values)
    return found


def asset(name: str) -> str:
    """Return the path of a static file on this site, with its version; raises KeyError if there is no such file."""
    return f"/static/{name}?v={asset_versions()[name]}"


@cache
def asset_versions() -> dict[str, str]:
    """Return the digests of all static files, which are read once per process."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in STATIC.iterdir() if path.is_file()
    }


@cache
def template_environment(root: str) -> Environment:
    """Return the environment of all templates, in which a missing value is an error.

    Paths in values are those on this site; templates put `root`, the path below which the site is, in front of them.
    """
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, PAGES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = breakable
    environment.globals["root"] = root
    environment.globals["asset"] = lambda name: f"{root}{asset(name)}"
    environment.globals["visitor"] = None
    environment.globals["registers"] = False
    environment.globals["has_session"] = False
    return environment


def breakable(name: str) -> Markup:
    """Return a name that may break into lines after an underscore, before it breaks inside of a word."""
    return Markup("<wbr>").join(re.findall(r"[^_]*_+|[^_]+", name))


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
