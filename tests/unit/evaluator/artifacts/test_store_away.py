"""Stores that are away, hang, stumble, are full or do not exist: one clear error, and nothing half-written."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lethe.evaluator.artifacts import ArtifactStoreAway, open_store
from tests.conftest import free_port

pytestmark = pytest.mark.slow

KEPT_HEADERS = {"if-none-match", "authorization", "x-amz-date", "x-amz-content-sha256", "content-type"}


@pytest.fixture
def stumbling(s3_url: str, s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A proxy before the S3 server that answers 503 as often as the list says, and then loses one answer."""
    left = [2, 1]

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if left[0]:
                left[0] -= 1
                self.send_error(503)
                return
            answer = httpx.put(s3_server["AWS_ENDPOINT_URL"] + self.path, content=body, headers=self._kept())
            if left[1]:
                left[1] -= 1
                self.send_error(500)  # the bytes are stored, and nobody hears of it
                return
            self.send_response(answer.status_code)
            self.send_header("ETag", answer.headers.get("etag", ""))
            self.end_headers()

        def do_GET(self) -> None:
            answer = httpx.get(s3_server["AWS_ENDPOINT_URL"] + self.path, headers=self._kept())
            self.send_response(answer.status_code)
            for name in ("content-length", "etag", "last-modified"):
                self.send_header(name, answer.headers[name])
            self.end_headers()
            self.wfile.write(answer.content)

        def _kept(self) -> dict[str, str]:
            return {name: value for name, value in self.headers.items() if name.lower() in KEPT_HEADERS}

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        yield left
        server.shutdown()


def test_a_stumbling_store_is_asked_again_and_stores_once(stumbling: list[int], s3_url: str) -> None:
    store = open_store(s3_url)
    ref = store.put("runs/1", b"outputs")
    assert stumbling == [0, 0]
    assert store.get(ref) == b"outputs"


def test_a_store_that_is_away_is_one_clear_error(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    store = open_store(s3_url)
    for call in (lambda: store.put("k", b"data"), lambda: store.get("k"), lambda: store.list("k"), store.probe):
        with pytest.raises(ArtifactStoreAway, match=r"the artifact store s3://lethe-.* fails: ") as caught:
            call()
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value)


def test_a_bucket_that_does_not_exist_is_no_missing_artifact(s3_url: str) -> None:
    store = open_store("s3://lethe-no-such-bucket/x")
    with pytest.raises(ArtifactStoreAway):
        store.put("k", b"data")
    with pytest.raises(ArtifactStoreAway):
        store.probe()


def test_a_folder_that_went_away(tmp_path: Path) -> None:
    store = open_store((tmp_path / "store").as_uri())
    store.probe()
    (tmp_path / "store").rmdir()
    with pytest.raises(ArtifactStoreAway, match="no such folder"):
        store.probe()


FILL = """
import sys
from pathlib import Path
from lethe.evaluator.artifacts import ArtifactStoreFull, open_store
store = open_store("file:///small/store")
store.put("fits", b"x" * 1000)
try:
    store.put("folder/large", b"x" * 4_000_000)
except ArtifactStoreFull as error:
    print(error)
print(sorted(path.name for path in Path("/small").rglob("*") if path.is_file()), store.list(""))
store.put("folder/fits", b"x" * 1000)
"""


@pytest.mark.component("bubblewrap")
def test_a_full_disk_keeps_nothing_half_written() -> None:
    jail = ["bwrap", "--dev-bind", "/", "/", "--size", str(2**20), "--tmpfs", "/small", "--chdir", str(Path.cwd())]
    done = subprocess.run([*jail, "--", sys.executable, "-c", FILL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["the artifact store file:///small/store is full", "['fits'] ['fits']"]
