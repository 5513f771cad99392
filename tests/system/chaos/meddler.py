"""A proxy between workers and API that repeats, delays, cuts and forgets requests."""

import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

SHARE = 0.04


class Meddler:
    """Passes everything on faithfully until `meddling` is set; then `SHARE` of the requests meets each disturbance."""

    def __init__(self, upstream: str, *, seed: int, late_s: float) -> None:
        self.meddling = threading.Event()
        self.counts = {"repeated": 0, "delayed": 0, "unanswered": 0, "truncated": 0}
        self._random = random.Random(seed)  # noqa: S311 - a seeded script
        self._lock = threading.Lock()
        self._late_s = late_s
        self._client = httpx.Client(base_url=upstream, timeout=60, limits=httpx.Limits(max_keepalive_connections=0))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._client.close()

    def _draw(self) -> str | None:
        if not self.meddling.is_set():
            return None
        with self._lock:
            kind = int(self._random.random() / SHARE)
            names = list(self.counts)
            if kind >= len(names):
                return None
            self.counts[names[kind]] += 1
            return names[kind]

    def _forward(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        return self._client.post(path, content=body, headers=headers)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        meddler = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name: self.headers[name] for name in ("Authorization", "Content-Type")}
                disturbance = meddler._draw()
                try:
                    if disturbance == "truncated":
                        meddler._forward(self.path, body[: len(body) // 2], headers)
                    if disturbance == "repeated":
                        meddler._forward(self.path, body, headers)
                    if disturbance == "delayed":
                        time.sleep(meddler._late_s)
                    answer = meddler._forward(self.path, body, headers)
                except httpx.HTTPError:
                    self.send_error(502)
                    return
                if disturbance == "unanswered":
                    self.close_connection = True
                    return
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_: object) -> None:
                return

        return Handler
