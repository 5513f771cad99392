"""Downloads of practice bundles end well, go on where they stopped, or say in one sentence what to do."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lethe.evaluator.contract.practice import practice_facts
from lethe.evaluator.contract.specification import ModelSpec
from lethe.server.cli import app
from lethe.server.client import ApiError, Client
from lethe.server.client.practice import BUNDLES, TRIES, CachedBundle, PracticeCache
from lethe.server.client.trusted_networks import NetworkUnconfirmed, require_trusted
from lethe.server.competitions.schemas import PublicCounts
from lethe.server.http.openapi_examples import EXAMPLES
from tests.conftest import free_port
from tests.practice_bundles import SPEC, bundle

BUNDLE = bundle()


class Server(ThreadingHTTPServer):
    """A server with one practice bundle that it sends badly."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.data = self.sent = BUNDLE
        self.cuts: list[int] = []
        """After how many bytes each of the next answers ends."""
        self.knows_ranges = True
        self.asked: list[str] = []
        self.named: str | None = None
        """The digest of the ETag, if it is another one."""

        self.offered: str | None = None
        """The digest in the facts, if it is another one."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        site = self.server
        digest = sha256(site.data).hexdigest()
        if not self.path.endswith("/practice"):
            view = {"sha256": site.offered or digest, "size_bytes": len(site.data), "oracles": 8}
            body = json.dumps(EXAMPLES["CompetitionFacts"] | {"practice": view}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        asked = self.headers.get("Range", "")
        site.asked.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and site.knows_ranges else 0
        body = site.sent[start:]
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{site.named or digest}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: site.cuts.pop(0)] if site.cuts else body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr("lethe.server.client.practice.PAUSE_S", 0.0)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def obtain(server: Server, folder: Path, *, agrees: bool = True) -> CachedBundle | None:
    with Client(server.url) as client:
        return PracticeCache(folder).obtain(client, "faces", agreed=lambda _: agrees, progress=lambda *_: None)


def test_a_cut_download_goes_on_by_itself_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.cuts = [1000, 0, 500]
    found = obtain(server, tmp_path)
    assert found is not None
    assert found.path.read_bytes() == BUNDLE
    assert found.is_current
    assert server.asked == ["", "bytes=1000-", "bytes=1000-", "bytes=1500-"]
    assert found.open().facts.oracles == 8
    assert found.counts == PublicCounts.model_validate(EXAMPLES["CompetitionFacts"]["counts"])
    obtain(server, tmp_path)
    assert len(server.asked) == 4  # it is here


def test_one_that_never_ends_says_how_to_go_on(server: Server, tmp_path: Path) -> None:
    server.cuts = [1000] + [0] * TRIES
    with pytest.raises(ApiError, match=r"stopped after 1,000 of [\d,]+ bytes .*Run the same command again: it goes on"):
        obtain(server, tmp_path)
    assert obtain(server, tmp_path) is not None
    assert server.asked[-1] == "bytes=1000-"


def test_a_server_without_ranges_sends_it_anew(server: Server, tmp_path: Path) -> None:
    server.cuts, server.knows_ranges = [1000], False
    found = obtain(server, tmp_path)
    assert found is not None
    assert found.path.read_bytes() == BUNDLE


def test_wrong_bytes_are_deleted_and_downloaded_anew(server: Server, tmp_path: Path) -> None:
    server.sent = BUNDLE[:-1] + bytes([BUNDLE[-1] ^ 1])
    with pytest.raises(ApiError, match="is not the practice bundle that it names, so it is deleted") as caught:
        obtain(server, tmp_path)
    assert caught.value.code == "wrong_digest"
    server.sent = BUNDLE
    found = obtain(server, tmp_path)
    assert found is not None
    assert server.asked == ["", ""]
    # A copy that changed on the disk is no better.
    found.path.write_bytes(BUNDLE[:100])
    again = obtain(server, tmp_path)
    assert again is not None
    assert again.path.read_bytes() == BUNDLE


def test_a_bundle_that_changes_meanwhile_is_said_to_have(server: Server, tmp_path: Path) -> None:
    server.named = "0" * 64
    with pytest.raises(ApiError, match="has just changed on the server: run the same command again"):
        obtain(server, tmp_path)


def test_a_digest_that_is_none_names_no_folder(server: Server, tmp_path: Path) -> None:
    server.offered = "../" * 3 + "0" * 55
    with pytest.raises(ApiError, match=r"its answer cannot be read|is not a Lethe server"):
        obtain(server, tmp_path / "in" / "here")
    assert not list(tmp_path.iterdir())


def test_a_newer_version_replaces_the_older_one(server: Server, tmp_path: Path) -> None:
    first = obtain(server, tmp_path)
    server.data = server.sent = bundle(count=0)
    second = obtain(server, tmp_path)
    assert first is not None
    assert second is not None
    assert second.path.read_bytes() == server.data
    assert not first.path.parent.exists()


def test_a_declined_download_leaves_the_server_alone(server: Server, tmp_path: Path) -> None:
    assert obtain(server, tmp_path, agrees=False) is None
    assert server.asked == []


def test_a_full_disk_is_said_in_one_sentence(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / BUNDLES / sha256(BUNDLE).hexdigest()
    folder.mkdir(parents=True)
    (folder / "bundle.part").symlink_to("/dev/full")
    with pytest.raises(ApiError, match=r"the disk of .* is full: make room, or set LETHE_HOME") as caught:
        obtain(server, tmp_path)
    assert caught.value.code == "unwritable_file"


# The commands


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LETHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "home" / "practice"


def test_the_command_downloads_and_tells_what_it_has(server: Server, home: Path, tmp_path: Path) -> None:
    words = ["practice", "faces", "--server", server.url]
    shown = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "copy.safetensors")])
    assert shown.exit_code == 0, shown.output
    assert "faces: Faces\nimages: retain " in shown.stdout
    assert "network resnet-small, 8 practice oracles\n" in shown.stdout
    assert (tmp_path / "copy.safetensors").read_bytes() == BUNDLE
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert found["sha256"] == sha256(BUNDLE).hexdigest()
    assert Path(found["file"]).is_relative_to(home)
    assert (found["bytes"], found["is_current"], found["oracles"]) == (len(BUNDLE), True, 8)
    assert set(found["images"]) == {"retain", "forget", "validation", "test"}


def test_large_downloads_are_asked_for(server: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lethe.server.cli.practice.ASK_ABOVE_BYTES", 1_000)
    words = ["practice", "faces", "--server", server.url]
    declined = CliRunner().invoke(app, words, input="n\n")
    assert declined.exit_code == 1
    assert "Download 0 MB of practice data of faces?" in declined.output
    assert "Nothing was downloaded." in declined.output
    assert server.asked == []
    assert CliRunner().invoke(app, [*words, "--yes"]).exit_code == 0
    assert home.exists()


def test_a_hosts_module_is_shown_and_asked_about_once(server: Server, home: Path) -> None:
    own = ModelSpec(module="model.py", source="def build(classes):\n    raise RuntimeError('\x1b[2J')\n")
    server.data = server.sent = bundle(SPEC.model_copy(update={"model": own}))
    words = ["practice", "faces", "--server", server.url]
    with pytest.raises(NetworkUnconfirmed, match="lethe practice faces shows its source and asks"):
        require_trusted(practice_facts(SPEC.model_copy(update={"model": own})), home)
    declined = CliRunner().invoke(app, words, input="n\n")
    assert declined.exit_code == 1
    assert "raise RuntimeError('\\x1b[2J')" in declined.stderr
    assert "It runs on this machine as your user. Let it?" in declined.stderr
    assert CliRunner().invoke(app, words, input="y\n").exit_code == 0
    again = CliRunner().invoke(app, words)
    assert again.exit_code == 0, again.output
    assert "network model.py, 8 practice oracles" in again.stdout
    assert "raise RuntimeError" not in again.output


def test_without_a_server_the_copy_is_used_with_its_age(server: Server, home: Path) -> None:
    words = ["practice", "faces", "--server", server.url]
    assert CliRunner().invoke(app, words).exit_code == 0
    (note,) = (home / BUNDLES).glob("*.json")
    stored = json.loads(note.read_text())
    stored["seen_at"] = (datetime.now(UTC) - timedelta(days=3, hours=5)).isoformat()
    note.write_text(json.dumps(stored))
    server.server_close()
    kept = obtain(server, home)
    assert kept is not None
    scale = kept.open().hidden_scale()
    assert scale is not None  # 660 retain and 84 forget images beside 32 and 4, by what the server said before
    assert (scale.images_ratio, scale.added_image_bytes) == (21.0, (660 + 84 - 36) * 3 * 16 * 16 * 4)
    note.write_text(json.dumps(stored | {"counts": None}))  # as an older version left it
    unknown = obtain(server, home)
    assert unknown is not None
    assert unknown.open().hidden_scale() is None
    away = CliRunner().invoke(app, words)
    assert away.exit_code == 0, away.output
    assert f"{server.url} does not answer; using the copy from 3 days ago, which may be outdated." in away.stderr


def test_without_a_server_and_a_copy_one_learns_what_to_do(home: Path) -> None:
    away = CliRunner().invoke(app, ["practice", "faces", "--server", f"http://127.0.0.1:{free_port()}"])
    assert isinstance(away.exception, ApiError)
    assert "No practice bundle of faces is stored here; without a server use --spec" in str(away.exception)
    assert not list(home.glob("**/*.safetensors"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-c", "faces", "--spec", "demo"], "leave out --spec and --data"),
        (["-c", "faces", "--runs", "7"], "greater than or equal to 8"),
        (["--runs", "65"], "less than or equal to 64"),
    ],
)
def test_check_refuses_what_does_not_fit_together(home: Path, words: list[str], said: str) -> None:
    refused = CliRunner().invoke(app, ["check", "x.py", *words], env={"COLUMNS": "200"})
    assert refused.exit_code == 2
    assert said in refused.output
    assert not home.exists()
