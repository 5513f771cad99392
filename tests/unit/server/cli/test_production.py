"""`lethe doctor --production`: what a public site lacks, each line with its remedy."""

import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from lethe.sandbox.doctor import HostFinding
from lethe.server.cli.production import inspect
from lethe.server.settings import Settings
from tests.conftest import sign_oneself

STRONG = "4f7c1d9e03ab5268d1c0b7e6"
Look = Callable[..., dict[str, HostFinding]]


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Findings by name, for settings on a home of their own."""
    for name in ("AWS_ENDPOINT_URL", "AWS_SECRET_ACCESS_KEY", *Settings.variables()):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").mkdir(mode=0o700)

    def run(url: str | None = None, **given: Any) -> dict[str, HostFinding]:
        found = inspect(Settings(**{"home": tmp_path / "home"} | given), url)
        for finding in found:
            assert bool(finding.remedy) != finding.ok, finding
            assert "\n" not in finding.detail + finding.remedy
            assert "geheim" not in finding.detail
        return {finding.name: finding for finding in found}

    return run


def failed(found: dict[str, HostFinding]) -> set[str]:
    return {name for name, finding in found.items() if finding.required and not finding.ok}


def test_a_new_site_has_everything_to_decide(look: Look) -> None:
    assert failed(look()) == {"trusted proxies", "registration", "database kind"}


@pytest.mark.parametrize(
    ("given", "name", "words"),
    [
        ({"trusted_proxies": "*"}, "trusted proxies", "everybody"),
        ({"trusted_proxies": "127.0.0.1, 0.0.0.0/0"}, "trusted proxies", "everybody"),
        ({"trusted_proxies": "nginx"}, "trusted proxies", "no address or network"),
        ({"rate_per_address": ""}, "rates", "LETHE_RATE_PER_ADDRESS is empty"),
        ({"sandbox_backend": "unsafe-subprocess"}, "isolation", "strangers' code"),
        ({"broker_url": "redis://:geheim@127.0.0.1:6379/0"}, "broker password", "can be guessed"),
        ({"broker_url": "rediss://h/0?ssl_cert_reqs=none"}, "redis", "certificate checked: no"),
        ({"database_url": "postgresql://lethe:geheim@127.0.0.1:9/x"}, "database password", "can be guessed"),
        ({"database_url": f"postgresql://lethe:{'geheim' * 4}@127.0.0.1:9/x"}, "database password", "can be guessed"),
        ({"home": Path("/nowhere/lethe")}, "home", "No such file"),
    ],
)
def test_what_a_public_site_must_not_do(look: Look, given: dict[str, Any], name: str, words: str) -> None:
    found = look(**given)
    assert name in failed(found)
    assert words in found[name].detail


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"trusted_proxies": "127.0.0.1, 10.0.0.0/8"}, "trusted proxies"),
        ({"registration": "open"}, "registration"),
        ({"broker_url": f"rediss://:{STRONG}@h/0"}, "redis"),
        ({"broker_url": f"rediss://:{STRONG}@h/0"}, "broker password"),
        ({"database_url": f"postgresql://lethe:{STRONG}@127.0.0.1:9/x"}, "database password"),
    ],
)
def test_what_is_right(look: Look, given: dict[str, Any], name: str) -> None:
    assert look(**given)[name].ok


def test_what_depends_is_said_and_fails_nothing(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    found = look(host="0.0.0.0", broker_url="redis://redis:6379/0")  # noqa: S104 - as in a container
    said = {"listening", "redis", "store", "public address"}
    assert said <= {name for name, finding in found.items() if not finding.ok}
    assert not said & failed(found)


def test_an_open_home(look: Look, tmp_path: Path) -> None:
    (tmp_path / "home").chmod(0o755)
    assert look()["home"].remedy == f"chmod 700 {tmp_path / 'home'}"


def test_a_default_secret_of_the_store(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "minioadmin")
    assert "store secret" in failed(look())


class _Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path in {"/healthz", "/metrics", "/below/healthz"} else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def https_site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a site whose certificate nobody vouches for but the file."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    sign_oneself(certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"https://localhost:{server.server_port}", certificate
        finally:
            server.shutdown()


def test_the_public_address(look: Look, https_site: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    url, certificate = https_site
    assert "public address" in failed(look(url.replace("https", "http")))
    unverified = look(url)
    assert "public address" in failed(unverified)
    assert "certificate" in unverified["public address"].detail.lower()
    monkeypatch.setattr(httpx._transports.default, "create_ssl_context", httpx._config.create_ssl_context)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    found = look(url)
    assert found["public address"].ok
    assert (found["hsts"].ok, found["hsts"].required) == (False, False)
    assert "metrics" in failed(found)
    assert look(f"{url}/below/")["public address"].ok
    assert "public address" in failed(look(f"{url}/elsewhere"))
