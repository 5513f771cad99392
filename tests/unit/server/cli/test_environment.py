"""Wrong variables stop a process with one line that says what to write."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from lethe.evaluator.settings import WorkerSettings
from lethe.evaluator.settings_base import SecretUnreadable
from lethe.server.cli.environment import require_known_variables
from lethe.server.errors import ConfigurationError
from lethe.server.settings import Settings
from tests.commands import run_lethe

WORKER = {"LETHE_SERVER_URL": "http://h:8000", "LETHE_WORKER_KEY": "lethew_x", "LETHE_ARTIFACTS_URL": "s3://bucket/x"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.variables() | WorkerSettings.variables():
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATABASE_URL", "nonsense", "postgresql://user:password@host/database"),
        ("DATABASE_URL", "mysql://h/x", "postgresql://user:password@host/database"),
        ("DATABASE_URL", "postgresql://lethe:p@ss@h/x", "%40"),
        ("BROKER_URL", "sentinel://h:26379", "sentinel:// is not supported"),
        ("BROKER_URL", "valkey://h", "redis://host:6379/0"),
        ("BROKER_URL", "redis+sentinel://h:26379/main", "while it is away, Lethe only gets slower"),
        ("BROKER_URL", "valkeys://h", "Valkey speaks too"),
        ("BROKER_URL", "amqp://h", "redis://host:6379/0"),
        ("BROKER_URL", "h:6379", "redis://host:6379/0"),
        ("BROKER_URL", "redis://h:port/0", "must be numbers"),
        ("BROKER_URL", "redis://h/lethe", "must be numbers"),
        ("BROKER_URL", "redis://:pa/ss@h", "must be numbers"),
        ("BROKER_URL", "redis://:p@ss@h", "%40"),
        ("BROKER_URL", "redis://h:6379/0;redis://i:6379/0", "name one server"),
        ("BROKER_URL", "rediss://h/0?ssl_cert_reqs=CERT_NONE", "ssl_cert_reqs=CERT_NONE cannot be used"),
        ("BROKER_CA", "/nowhere.pem", "no certificates in PEM format"),
        ("BROKER_CA", "/etc/hostname", "no certificates in PEM format"),
        ("ARTIFACTS_URL", "/srv/foo", "file:///absolute/folder"),
        ("ARTIFACTS_URL", "file://foo", "file:///absolute/folder"),
        ("ARTIFACTS_URL", "s3://", "s3://bucket/prefix"),
    ],
)
def test_addresses_that_cannot_work(name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"LETHE_{name}", value)
    with pytest.raises(ValidationError, match=words):
        Settings()


@pytest.mark.parametrize(
    "value", ["", "postgresql://lethe:p%40ss@h/x", "postgresql+psycopg:///x?host=/run", "sqlite:////srv/x.db"]
)
def test_databases_that_can(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_DATABASE_URL", value)
    assert Settings().database_url.get_secret_value() == value


@pytest.mark.parametrize("value", ["redis://h", "redis://:p%2Fss@h:6379", "rediss://u:p@h:6379/3", "memory://"])
def test_brokers_that_can(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_BROKER_URL", value)
    assert Settings().broker.startswith(value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SERVER_URL", "h:8000", "http://host:port"),
        ("SERVER_URL", "https://h/lethe/api/v1", "address of a call"),
        ("WORKER_KEY", "", "worker-key create"),
        ("WORKER_KEY", "lethe_a-token", "worker-key create"),
        ("ARTIFACTS_URL", "", "name the artifact store"),
    ],
)
def test_what_a_worker_cannot_use(name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for known, good in WORKER.items():
        monkeypatch.setenv(known, good)
    assert WorkerSettings().server_url == "http://h:8000"  # type: ignore[call-arg]
    monkeypatch.setenv(f"LETHE_{name}", value)
    with pytest.raises(ValidationError, match=words):
        WorkerSettings()  # type: ignore[call-arg]


def test_secrets_may_lie_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://lethe:secret@h/x\n")
    monkeypatch.setenv("LETHE_DATABASE_URL_FILE", str(file))
    assert Settings().database == "postgresql://lethe:secret@h/x"
    require_known_variables()
    monkeypatch.setenv("LETHE_DATABASE_URL", "postgresql://h/y")
    with pytest.raises(SecretUnreadable, match="both set"):
        Settings()
    monkeypatch.delenv("LETHE_DATABASE_URL")
    file.unlink()
    with pytest.raises(SecretUnreadable, match=r"LETHE_DATABASE_URL_FILE: cannot read .*No such file"):
        Settings()


def test_only_secrets_are_read_from_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_HOME_FILE", "/etc/hostname")
    with pytest.raises(ConfigurationError, match="LETHE_HOME_FILE is no setting"):
        require_known_variables()


@pytest.mark.slow
def test_a_misspelt_variable_opens_no_empty_site(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin", "LETHE_HOME": str(tmp_path / "home"), "LETHE_DATABSE_URL": "postgresql://h/x"}
    for command in (["migrate"], ["serve"], ["worker"], ["admin", "worker", "list"]):
        done = run_lethe(*command, environment=environment)
        assert done.returncode == 1
        assert done.stderr.startswith("lethe: LETHE_DATABSE_URL is no setting: did you mean LETHE_DATABASE_URL?")
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", [["migrate"], ["admin", "worker", "list"]])
def test_a_database_that_does_not_answer_is_one_line(command: list[str], tmp_path: Path) -> None:
    environment = {
        "PATH": "/usr/bin",
        "LETHE_HOME": str(tmp_path),
        "LETHE_DATABASE_URL": "postgresql://lethe:secret@127.0.0.1:9/x",
    }
    done = run_lethe(*command, environment=environment)
    assert done.returncode == 1
    assert "does not answer, see LETHE_DATABASE_URL: connection failed" in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.count("\n") == 1
