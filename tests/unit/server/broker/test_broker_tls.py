"""rediss:// checks certificate and name, for wake-ups and limits alike, with an authority of one's own or without."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from limits import parse

from lethe.evaluator.settings import WorkerSettings
from lethe.server.broker.wake_ups import Waker, create_celery
from lethe.server.http.rate_limit import Rates
from lethe.server.settings import Settings
from tests.conftest import free_port, listening, sign_oneself

pytestmark = pytest.mark.component("redis")


@dataclass(frozen=True)
class TlsRedis:
    """A Redis that speaks TLS only, under the name `localhost`, and the certificate that vouches for it."""

    port: int
    authority: Path

    def settings(self, home: Path, *, host: str = "localhost", query: str = "", trusted: bool = True) -> Settings:
        url = f"rediss://{host}:{self.port}/0{query}"
        return Settings(home=home, broker_url=url, broker_ca=self.authority if trusted else None)


@pytest.fixture(scope="module")
def tls_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsRedis]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    sign_oneself(certificate, key)
    port = free_port()
    command = [
        *("redis-server", "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", ""),
        *("--dir", str(folder), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)),
        *("--tls-auth-clients", "no"),
    ]
    with listening(command, port):
        yield TlsRedis(port, certificate)


def is_reached(settings: Settings) -> bool:
    return Waker(create_celery(settings.broker)).is_reachable()


def counts_in_redis(settings: Settings) -> bool:
    """Whether what one process counts is seen by another."""
    rule = parse("1/minute")
    first, second = Rates(settings.broker), Rates(settings.broker)
    assert first.wait_s(rule, settings.broker) is None
    return second.wait_s(rule, settings.broker) is not None


def test_an_authority_of_ones_own(tls_redis: TlsRedis, tmp_path: Path) -> None:
    settings = tls_redis.settings(tmp_path)
    assert is_reached(settings)
    assert counts_in_redis(settings)


@pytest.mark.parametrize(
    ("host", "trusted"), [("localhost", False), ("127.0.0.1", True)], ids=["nobody vouches", "another name"]
)
def test_what_cannot_be_verified_is_not_spoken_to(
    tls_redis: TlsRedis, host: str, trusted: bool, tmp_path: Path
) -> None:
    settings = tls_redis.settings(tmp_path, host=host, trusted=trusted)
    assert not is_reached(settings)
    assert not counts_in_redis(settings)


def test_checks_can_be_left_out_on_purpose(tls_redis: TlsRedis, tmp_path: Path) -> None:
    settings = tls_redis.settings(tmp_path, host="127.0.0.1", query="?ssl_cert_reqs=none", trusted=False)
    assert is_reached(settings)
    assert counts_in_redis(settings)


def test_workers_verify_the_same(tls_redis: TlsRedis, tmp_path: Path) -> None:
    settings = tls_redis.settings(tmp_path)
    given = {"server_url": "http://h", "worker_key": "lethew_x", "artifacts_url": "memory://"}
    worker = WorkerSettings(**given, broker_url=settings.broker_url, broker_ca=tls_redis.authority)  # type: ignore[arg-type]
    assert worker.broker == settings.broker
    assert "ssl_cert_reqs=required" in worker.broker
    assert WorkerSettings(**given, broker_url="").broker == ""  # type: ignore[arg-type]
