"""What people do with the forms: register, log in, make teams and tokens, upload, cancel; and what nobody can."""

import re

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from lethe.server.models import AuditEvent
from lethe.server.pages.forms import local_path
from tests.unit.server.pages.conftest import PASSWORD, Browser, Open

GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"


def test_registering_logs_in_and_shows_no_secret(browser: Open) -> None:
    answer = browser().register("bea")
    assert answer.url.path == "/account"
    assert "Your account is ready" in answer.text
    assert "lethe_" not in answer.text.replace("lethe_YOUR", "")
    assert answer.headers["Cache-Control"] == "no-store"


def test_refused_registrations_keep_what_was_typed_but_the_password(browser: Open) -> None:
    answer = browser().post("/register", username="x", email='"><script>', password="tooshrt")
    assert answer.status_code == 422
    assert "Username: 3 to 40 letters" in answer.text
    assert "Password: 8 to" in answer.text
    assert "tooshrt" not in answer.text
    assert '"><script>' not in answer.text


def test_log_in_and_out(ann: Browser, browser: Open) -> None:
    assert ann.post("/logout").url.path == "/"
    assert ann.get("/account").url.path == "/login"
    assert "Wrong user name or password" in ann.post("/login", username="bea", password="no").text
    answer = ann.post("/login", username="bea", password=PASSWORD, next="/competitions/c/team")
    assert answer.url.path == "/competitions/c/team"


@pytest.mark.parametrize(
    "wanted", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "/\r\nx: y", ""]
)
def test_a_login_leads_nowhere_else(wanted: str) -> None:
    assert local_path(wanted, "/account") == "/account"


def test_forms_of_other_sites_are_refused(ann: Browser) -> None:
    assert ann.post("/account/tokens", csrf_token="0" * 64, name="x", days="1").status_code == 403
    assert ann.post("/competitions/c/submit", files={"file": ("f.py", GOOD)}, csrf_token="").status_code == 403
    assert ann.post("/logout", csrf_token="").status_code == 403


def test_a_token_is_shown_once_and_can_be_deleted(ann: Browser) -> None:
    made = ann.post("/account/tokens", name="laptop", days="30")
    text = re.search(r"lethe_[\w-]{30,}", made.text)
    assert text is not None
    again = ann.get("/account")
    assert text.group(0) not in again.text
    path = re.search(r"/account/tokens/[\w-]+/delete", again.text)
    assert path is not None
    assert "laptop" not in re.sub(r'value="laptop"', "", ann.post(path.group(0)).text)
    assert "Expires in days" in ann.post("/account/tokens", name="x", days="never").text


def test_a_new_password_ends_other_sessions(ann: Browser, browser: Open) -> None:
    other = browser()
    other.post("/login", username="bea", password=PASSWORD)
    assert "Wrong user name" in ann.post("/account/password", password="no", new_password="x" * 12).text
    assert "Password changed" in ann.post("/account/password", password=PASSWORD, new_password="x" * 12).text
    assert other.get("/account").url.path == "/login"
    assert ann.get("/account").url.path == "/account"


def test_a_team_is_made_shared_and_left(ann: Browser, browser: Open) -> None:
    team = "/competitions/c/team"
    assert "Team created" in ann.post(team, name="Lotus <b>eaters").text
    invited = ann.post(f"{team}/invite")
    code = re.search(r"join\?code=([\w-]+)", invited.text)
    assert code is not None
    cid = browser()
    cid.register("cid")
    assert "Lotus &lt;b&gt;eaters" in cid.post("/join", code=code.group(1)).text
    assert "bea" in cid.get(team).text
    assert cid.post("/join", code=code.group(1)).status_code == 404
    assert "You have left" in cid.post(f"{team}/leave").text


def test_an_invitation_link_alone_joins_nothing(ann: Browser, browser: Open) -> None:
    answer = browser().get("/join?code=lethet_x")
    assert answer.url.path == "/login"
    assert "code%3Dlethet_x" in str(answer.url) or "code=lethet_x" in str(answer.url)
    assert "Join a team" in ann.get("/join?code=lethet_x").text


def test_upload_follow_and_cancel(ann: Browser) -> None:
    shown = ann.post("/competitions/c/submit", files={"file": ("mine.py", GOOD)})
    assert shown.url.path.startswith("/submissions/")
    assert "Waiting for a worker" in shown.text
    assert '<i class="keyword">def</i>' in shown.text
    assert "mine.py" in ann.get("/account").text
    assert "Submission cancelled" in ann.post(f"{shown.url.path}/cancel").text


def test_pasted_source_is_as_good_as_a_file_and_known_again(ann: Browser) -> None:
    first = ann.post("/competitions/c/submit", files={"file": ("", b"")}, source=GOOD.decode().replace("\n", "\r\n"))
    again = ann.post("/competitions/c/submit", files={"file": ("other.py", GOOD)})
    assert again.url.path == first.url.path
    assert "has already submitted this program" in again.text


def test_checking_stores_nothing_and_marks_the_line(ann: Browser) -> None:
    bad = b"import torch\ndef unlearning(net):\n    return net\n"
    answer = ann.post("/competitions/c/submit", files={"file": ("bad.py", bad)}, check="1")
    assert answer.status_code == 422
    assert 'id="L2" class="line marked"' in answer.text
    good = ann.post("/competitions/c/submit", files={"file": ("good.py", GOOD)}, check="1")
    assert "is ready to submit" in good.text
    assert "Nothing yet" in ann.get("/account").text


def test_a_file_that_is_too_large_is_refused_with_the_form(ann: Browser) -> None:
    answer = ann.post("/competitions/c/submit", files={"file": ("big.py", b"#" * 2**20)})
    assert answer.status_code == 413
    assert "larger than this competition allows" in answer.text


def test_another_teams_submission_does_not_exist(ann: Browser, browser: Open) -> None:
    path = ann.post("/competitions/c/submit", files={"file": ("mine.py", GOOD)}).url.path
    cid = browser()
    cid.register("cid")
    assert cid.get(path).status_code == 404
    assert cid.post(f"{path}/cancel").status_code == 404
    assert browser().get(path).url.path == "/login"


def test_pages_of_a_visitor_stay_with_the_visitor(ann: Browser, browser: Open) -> None:
    mine, anybodys = ann.get("/"), browser().get("/")
    assert "private" in mine.headers["Cache-Control"]
    assert mine.headers["ETag"] != anybodys.headers["ETag"]
    assert mine.headers["Vary"].startswith("Cookie")
    assert "bea" not in anybodys.text


def acts_of_bea(app: FastAPI) -> list[str]:
    """What the audit log says that the host did."""
    with app.state.context.database.read() as session:
        mine = select(AuditEvent.action).where(AuditEvent.actor == "user:bea").order_by(AuditEvent.created_at)
        return list(session.scalars(mine))


def test_a_host_leads_the_competition(host: Browser, browser: Open, app: FastAPI) -> None:
    assert "Competitions you host" in host.get("/account").text
    assert "is open" in host.get("/host/c").text
    assert "is paused" in host.post("/host/c/pause").text
    refused = host.post("/competitions/c/submit", files={"file": ("mine.py", GOOD)})
    assert refused.status_code == 403
    assert "paused" in refused.text
    assert "is open" in host.post("/host/c/resume").text
    assert "needs a title" in host.post("/host/c/announce", title=" ").text
    host.post("/host/c/announce", title="Hello <b>", body="One.\n\nTwo.")
    assert "Hello &lt;b&gt;" in browser().get("/competitions/c").text
    shown = host.get("/host/c").text
    assert "competition.pause" in shown
    assert "user:bea" in shown
    assert "lethe admin competition finals c" in host.post("/host/c/close").text
    assert "is open" in host.post("/host/c/resume").text
    assert host.post("/host/c/extend", until="2999-01-01T00:00").status_code == 200
    assert host.post("/host/c/explode").status_code == 404
    assert acts_of_bea(app) == [
        f"competition.{act}" for act in ("pause", "open", "announce", "close", "open", "extend")
    ]


def test_a_host_acts_on_submissions(host: Browser, browser: Open, app: FastAPI) -> None:
    submission = re.search(r"/host/c/submissions/([\w-]+)/disqualify", host.get("/host/c").text)
    assert submission is not None
    path = f"/host/c/submissions/{submission.group(1)}"
    refused = host.post(f"{path}/disqualify", reason=" ")
    assert refused.status_code == 400
    assert "Give a reason" in refused.text
    assert "disqualified: copied" in host.post(f"{path}/disqualify", reason="copied").text
    assert "0.123" not in browser().get("/competitions/c/leaderboard").text
    assert "disqualified: copied" not in host.post(f"{path}/qualify").text
    assert "Waiting for a worker" in host.post(f"{path}/rerun").text
    assert "has not ended" in host.post(f"{path}/rerun").text or "is queued" in host.post(f"{path}/rerun").text
    assert "Cancelled" in host.post(f"{path}/cancel").text
    assert acts_of_bea(app) == [f"submission.{act}" for act in ("disqualify", "reinstate", "rerun", "cancel")]


@pytest.mark.parametrize(
    ("action", "fields", "words"),
    [
        ("extend", {"until": "soon"}, "date and a time in UTC"),
        ("extend", {"until": "2001-01-01T00:00"}, "must lie in the future"),
        ("announce", {"title": "x" * 121}, "needs a title"),
        ("reveal", {}, "cannot be undone"),
    ],
)
def test_a_malformed_value_of_a_host_is_a_bad_request(
    host: Browser, action: str, fields: dict[str, str], words: str
) -> None:
    answer = host.post(f"/host/c/{action}", **fields)
    assert answer.status_code == 400
    assert words in answer.text


def test_a_host_page_does_not_exist_for_others(ann: Browser, browser: Open) -> None:
    assert ann.get("/host/c").status_code == 404
    assert ann.post("/host/c/close").status_code == 404
    assert browser().get("/host/c").url.path == "/login"


def test_after_the_reveal_there_are_two_boards(host: Browser, browser: Open) -> None:
    assert browser().get("/competitions/c/leaderboard?view=final").status_code == 404
    host.post("/host/c/close")
    assert host.post("/host/c/reveal", sure="yes").status_code == 409
