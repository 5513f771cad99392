"""The Python client and the participant's commands against a real server."""

import json
import re
import stat
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import structlog
from sqlalchemy import update
from typer.testing import CliRunner, Result

from lethe.evaluator.contract.specification import QuotasSpec
from lethe.evaluator.metrics import evaluate
from lethe.evaluator.metrics.pools_file import read_pools
from lethe.server.cli import app
from lethe.server.client import ApiError, Client, StoredLogin, connect
from lethe.server.client import api as client_api
from lethe.server.competitions.disclosure import round_score
from lethe.server.errors import ConfigurationError
from lethe.server.models import ApiToken, Competition
from lethe.server.models.times import utc_now
from tests.integration.server.conftest import GOOD, SLUG, Site

pytestmark = pytest.mark.component("postgresql")
PASSWORD = "correct horse"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'lethe.db'}"


@pytest.fixture(autouse=True)
def own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("LETHE_SERVER", raising=False)
    monkeypatch.delenv("LETHE_TOKEN", raising=False)


@pytest.fixture(autouse=True)
def server_log_apart() -> Iterator[None]:
    """The server of these tests logs from this process, to where the commands print."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
    yield
    structlog.reset_defaults()


@pytest.fixture
def ann(site: Site) -> Iterator[Client]:
    with Client(site.url) as stranger:
        made = stranger.register("ann", "ann@example.org", PASSWORD)
    with Client(site.url, made.token) as client:
        yield client


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_bytes(GOOD)
    return path


def lethe(*arguments: str, standard_input: str = "") -> Result:
    return CliRunner().invoke(app, arguments, input=standard_input)


def test_every_call_of_a_participant(site: Site, ann: Client, file: Path) -> None:
    assert ann.me().username == "ann"
    assert [row.slug for row in ann.competitions()] == [SLUG]
    assert ann.competition(SLUG).runs == 8
    assert ann.announcements(SLUG) == []
    team = ann.create_team(SLUG, "The Forgetful")
    code = ann.invite(team.id).code
    with Client(site.url) as stranger:
        bob = Client(site.url, stranger.register("bob", "bob@example.org", PASSWORD).token)
    assert bob.join(code).members == ["ann", "bob"]
    bob.leave(team.id)
    bob.close()
    sent = ann.submit(SLUG, file)
    assert ann.source(sent.id) == GOOD
    site.evaluate()
    view = ann.wait(sent.id)
    assert (view.state, view.score) == ("scored", ann.leaderboard(SLUG).rows[1].score)
    assert ann.select(sent.id).selected
    assert not ann.select(sent.id, undo=True).selected
    public = ann.receipt(sent.id).public
    assert public is not None
    assert public["runs"] == 8
    assert [one.id for one in ann.submissions(SLUG)] == [sent.id]
    assert ann.quota(SLUG).in_flight == 0
    assert ann.leaderboard_csv(SLUG).startswith("rank,team,score")
    assert ann.log(sent.id).stdout == ""
    file.write_bytes(GOOD + b"'2'\n")
    assert ann.cancel(ann.submit(SLUG, file).id).state == "cancelled"


def test_errors_say_what_to_do(site: Site, ann: Client, file: Path) -> None:
    with pytest.raises(ApiError, match="Did you mean faces") as wrong:
        ann.submit("facse", file)
    assert (wrong.value.code, wrong.value.status) == ("competition_not_found", 404)
    with pytest.raises(ApiError) as crooked:
        ann.competition("../users/me")
    assert crooked.value.status == 404
    with Client(site.url) as stranger, pytest.raises(ApiError, match=f"lethe login --server {site.url}"):
        stranger.me()
    file.write_bytes(b"def unlearning(net):\n    pass\n")
    with pytest.raises(ApiError, match="line 1: ") as refusal:
        ann.submit(SLUG, file)
    assert refusal.value.code == "wrong_parameters"
    with pytest.raises(ApiError, match="cannot read") as missing:
        ann.submit(SLUG, file.with_name("none.py"))
    assert missing.value.code == "unreadable_file"
    site.change_specification(quotas=QuotasSpec(submissions_per_day=1, in_flight=0))
    for number in range(2):
        file.write_bytes(GOOD + b"0\n" * number)
        if number == 0:
            ann.submit(SLUG, file)
            site.evaluate()
    with pytest.raises(ApiError, match=r"starts again at .* UTC\. Here that is 20\d\d-") as used:
        ann.submit(SLUG, file)
    assert used.value.members["left"] == 0
    with site.context.database.write() as session:
        session.execute(update(ApiToken).values(expires_at=utc_now() - timedelta(days=1)))
    with pytest.raises(ApiError, match="it has expired or was deleted") as expired:
        ann.me()
    assert expired.value.code == "token_invalid"


def test_no_network_and_other_servers(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client("http://127.0.0.1:9", origin="LETHE_SERVER") as nobody, pytest.raises(ApiError) as away:
        nobody.competitions()
    assert away.value.code == "unreachable"
    assert "comes from LETHE_SERVER" in str(away.value)
    with Client(f"{site.url}/docs?") as other, pytest.raises(ApiError, match="is it a Lethe server") as not_lethe:
        other.competitions()
    assert not_lethe.value.code == "not_lethe"
    with pytest.raises(ConfigurationError, match="start it with https://"):
        connect("lethe.example.org")
    monkeypatch.setattr(client_api, "__version__", "9.9.9")
    answers = httpx.MockTransport(
        lambda request: httpx.Response(200, json={"info": {"version": "0.1.0"}} if "openapi" in request.url.path else 3)
    )
    with Client("http://old.example.org") as old:
        monkeypatch.setattr(old, "_http", httpx.Client(base_url="http://old.example.org/api/v1", transport=answers))
        with pytest.raises(ApiError, match=r"runs Lethe 0\.1\.0 and this is 9\.9\.9"):
            old.competitions()


def test_a_login_is_kept_closed_and_sent_to_its_server_only(site: Site, ann: Client) -> None:
    given = ("login", "--server", site.url, "-u", "ann")
    assert isinstance(lethe(*given, "--password", "wrong").exception, ApiError)
    assert StoredLogin.load() is None
    done = lethe(*given, standard_input=f"{PASSWORD}\n")
    assert done.exit_code == 0, done.output
    assert PASSWORD not in done.output
    stored = StoredLogin.load()
    assert stored is not None
    assert stored.token not in done.output
    assert stat.S_IMODE(StoredLogin.path().stat().st_mode) == 0o600
    assert json.loads(lethe("whoami", "--json").stdout)["username"] == "ann"
    with connect("http://localhost:1") as elsewhere:
        assert "Authorization" not in elsewhere._http.headers
    assert lethe("logout").exit_code == 0
    assert StoredLogin.load() is None
    with Client(site.url, stored.token) as ended, pytest.raises(ApiError, match="expired or was deleted"):
        ended.me()
    assert "were not logged in" in lethe("logout").stdout
    token = ann.create_token("ann", PASSWORD).token
    assert lethe("login", "--server", site.url, "--token", "-", standard_input=f"{token}\n").exit_code == 0
    assert "ann (ann@example.org)" in lethe("whoami").stdout


def test_the_environment_goes_before_the_stored_login(site: Site, ann: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    StoredLogin(server="http://localhost:1", username="ann", token="lethe_stored").save()
    monkeypatch.setenv("LETHE_SERVER", site.url)
    assert isinstance(lethe("whoami").exception, ApiError)  # the stored token is not for this server
    monkeypatch.setenv("LETHE_TOKEN", ann.create_token("ann", PASSWORD).token)
    assert "ann@example.org" in lethe("whoami").stdout
    StoredLogin.path().write_text("{")
    with pytest.raises(ConfigurationError, match="delete it"):
        connect()


def test_a_participant_s_day_on_the_command_line(site: Site, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_SERVER", site.url)
    done = lethe("register", "-u", "cem", "--email", "cem@example.org", "--password", PASSWORD)
    assert done.exit_code == 0, done.output
    assert f"{SLUG}" in lethe("competitions").stdout
    described = lethe("competitions", SLUG).stdout
    assert "8 runs; " in described
    assert re.search(r"^  Time per run +60 s$", described, re.MULTILINE)
    assert "no team" in str(lethe("team", "show", SLUG).exception)
    assert "cem" in lethe("team", "create", SLUG, "Solo").stdout
    sent = json.loads(lethe("submit", str(file), "-c", SLUG, "--json").stdout)
    site.evaluate()
    watched = lethe("submit", str(file), "-c", SLUG, "--watch")
    assert watched.exit_code == 0, watched.output
    assert "95% interval" in watched.stdout
    assert json.loads(lethe("status", sent["id"], "--json").stdout)["log"]["stdout"] == ""
    assert "check: " in lethe("status", sent["id"]).stdout or "scored" in lethe("status", sent["id"]).stdout
    assert "selected for the final" in lethe("select", sent["id"]).stdout
    assert "metric_version" in lethe("receipt", sent["id"]).stdout
    assert json.loads(lethe("submissions", SLUG, "--json").stdout)["items"][0]["selected"]
    assert "Solo" in lethe("leaderboard", SLUG, "--csv").stdout
    assert json.loads(lethe("leaderboard", SLUG, "--json").stdout)["teams"] == 1
    file.write_bytes(GOOD + b"'2'\n")
    second = json.loads(lethe("submit", str(file), "-c", SLUG, "--json").stdout)["id"]
    assert "cancelled" in lethe("cancel", second).stdout
    assert lethe("status", second, "--watch").exit_code == 0


def test_evidence_is_downloaded_whole_or_not_at_all(
    site: Site, ann: Client, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.change_specification(outputs_after_reveal=True)
    sent = ann.submit(SLUG, file)
    site.evaluate(shift=0.2)
    monkeypatch.setenv("LETHE_SERVER", site.url)
    monkeypatch.setenv("LETHE_TOKEN", ann.create_token("ann", PASSWORD).token)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert "after the reveal a team gets those of its own runs" in lethe("competitions", SLUG).stdout
    early = lethe("evidence", str(sent.id))
    assert isinstance(early.exception, ApiError)
    assert (early.exception.code, list(Path().iterdir())) == ("evidence_hidden", [])
    with site.context.database.write() as session:
        session.execute(update(Competition).values(revealed_at=utc_now()))
    done = lethe("evidence", str(sent.id))
    assert done.exit_code == 0, done.output
    assert f"Next: lethe score {sent.id}.npz" in done.stdout
    assert [path.name for path in Path().iterdir()] == [f"{sent.id}.npz"]
    pools = read_pools(f"{sent.id}.npz")
    score = evaluate(pools.unlearned, pools.retrained, identities=pools.identities)
    assert round_score(score.final_score) == ann.submission(sent.id).score
    assert "already exists: choose another name with -o" in str(lethe("evidence", str(sent.id)).exception)
    told = json.loads(lethe("evidence", str(sent.id), "-o", "mine.npz", "--json").stdout)
    assert told["bytes"] == Path("mine.npz").stat().st_size
    Path("mine.npz").write_bytes(b"")
    assert lethe("evidence", str(sent.id), "-o", "mine.npz", "--force").exit_code == 0
    assert Path("mine.npz").read_bytes() == Path(f"{sent.id}.npz").read_bytes()
    assert "cannot write nowhere/mine.npz" in str(lethe("evidence", str(sent.id), "-o", "nowhere/mine.npz").exception)
    final = lethe("evidence", str(sent.id), "-o", "final.npz", "--view", "final")
    assert isinstance(final.exception, ApiError)
    assert (final.exception.code, Path("final.npz").exists()) == ("evidence_not_found", False)
