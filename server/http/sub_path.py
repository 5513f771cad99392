"""A site below a path of its host, `LETHE_ROOT_PATH`: inside, every path is that of a site at the root.

Requests lose the path before anything looks at theirs, so that limits, gates and routes know one form of each. Whatever
names an address of the site to a browser or a program puts it in front again: templates with `{{ root }}`, cookies and
absolute addresses with the functions here; `Location` gets it from the middleware.
"""

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class SubPath:
    """ASGI middleware: takes `root`, such as `/lethe`, from the paths of requests, and puts it into `Location`.

    Requests without it are answered, too: those of workers and health checks that do not come through the proxy. The
    proxy passes the path on as it is, so that `/lethe/lethe/metrics` is no second name of what it keeps closed.
    """

    def __init__(self, app: ASGIApp, *, root: str) -> None:
        self._app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._root:
            await self._app(scope, receive, send)
            return
        if scope["path"] == self._root or scope["path"].startswith(f"{self._root}/"):
            scope = {**scope, "path": scope["path"].removeprefix(self._root) or "/"}
        origins = [origin.encode("latin-1") for origin in (_origin(scope), "")]

        async def located(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [(name, self._below(value, origins) if name == b"location" else value)
                           for name, value in message["headers"]]  # fmt: skip
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, located)

    def _below(self, location: bytes, origins: list[bytes]) -> bytes:
        """Return `location`, if it is on this site, below the sub-path."""
        for origin in origins:
            rest = location.removeprefix(origin)
            if location.startswith(origin + b"/") and not rest.startswith(b"//"):
                return origin + self._root.encode() + rest
        return location


def root_path(request: HTTPConnection) -> str:
    """Return the path below which the site is: `/lethe`, or nothing."""
    root: str = request.app.state.context.settings.root_path
    return root


def public_url(request: HTTPConnection) -> str:
    """Return the address at which the client reached this site, without a slash at its end."""
    return f"{str(request.base_url).rstrip('/')}{root_path(request)}"


def site_url(request: HTTPConnection) -> str:
    """Return the address of this site for what is read elsewhere: LETHE_PUBLIC_URL, or where the client reached it."""
    configured: str = request.app.state.context.settings.public_url
    return configured or public_url(request)


def _origin(scope: Scope) -> str:
    return str(HTTPConnection(scope).base_url).rstrip("/")
