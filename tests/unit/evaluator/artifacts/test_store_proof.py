"""A store that cannot keep artifacts as they are is refused at start, by name; one that is away is waited for."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lethe.evaluator.artifacts import ArtifactStoreAway, ArtifactStoreUnusable, open_store, store
from lethe.server.context import require_write_once
from lethe.server.errors import ConfigurationError
from tests.conftest import free_port


@contextmanager
def s3_that(status: int, code: str = "") -> Iterator[int]:
    """The port of a server that answers every put alike, whatever its headers say."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
            self.send_response(status if self.command == "PUT" else 204)
            self.send_header("ETag", '"1"')
            self.send_header("Content-Length", str(len(body) if self.command == "PUT" else 0))
            self.end_headers()
            if self.command == "PUT":
                self.wfile.write(body)

        do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


@pytest.fixture
def use_s3(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def use(port: int) -> None:
        monkeypatch.setattr(store, "_RETRIES", 0)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
            monkeypatch.setenv(name, "us-east-1")

    return use


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (200, "", "overwrites artifacts: use a store that honours If-None-Match"),
        (501, "NotImplemented", "501 Not Implemented"),
        (404, "NoSuchBucket", "has no bucket yet"),
        (403, "SignatureDoesNotMatch", "correct its credentials and permissions"),
        (401, "", "correct its credentials and permissions"),
        (301, "PermanentRedirect", "incorrectly configured region"),
        (400, "InvalidBucketName", "InvalidBucketName"),
    ],
)
def test_stores_that_must_be_changed(status: int, code: str, words: str, use_s3: Callable[[int], None]) -> None:
    with s3_that(status, code) as port:
        use_s3(port)
        with pytest.raises(ArtifactStoreUnusable, match=words):
            open_store("s3://bucket/prefix").prove()
        with pytest.raises(ConfigurationError, match=rf"^LETHE_ARTIFACTS_URL: s3://bucket/prefix .*{words}"):
            require_write_once(open_store("s3://bucket/prefix"))


def test_stores_that_are_away(use_s3: Callable[[int], None], capsys: pytest.CaptureFixture[str]) -> None:
    use_s3(free_port())
    with pytest.raises(ArtifactStoreAway) as away:
        open_store("s3://bucket/prefix").prove()
    assert not isinstance(away.value, ArtifactStoreUnusable)
    with s3_that(503) as port:
        use_s3(port)
        require_write_once(open_store("s3://bucket/prefix"))
    assert "artifacts_unavailable" in capsys.readouterr().out


def test_a_folder(tmp_path: Path) -> None:
    folder = open_store((tmp_path / "store").as_uri())
    require_write_once(folder)
    assert list(folder.entries("proofs")) == []
    (tmp_path / "store" / "proofs").rmdir()
    (tmp_path / "store").rmdir()
    with pytest.raises(ConfigurationError, match="has no folder"):
        require_write_once(folder)
