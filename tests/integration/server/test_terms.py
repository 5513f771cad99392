"""Terms are accepted by each person before their first upload: over the API, on the page, and by lethe submit."""

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from lethe.evaluator.contract.specification import TermsSpec
from lethe.server.cli import app
from lethe.server.hosting import deletion, editing
from lethe.server.hosting.archive import export
from lethe.server.models import TermsAcceptance
from tests.integration.server.conftest import GOOD, SLUG, Site, spec, upload

pytestmark = pytest.mark.one_database

TEXT = "I use the photographs for this only.\n\nI publish none."
DIGEST = sha256(TEXT.encode()).hexdigest()
TERMS = TermsSpec(text=TEXT, consent="All have agreed in writing.", retention="Deleted by the end of 2027.")


def accept(client: httpx.Client, digest: str = DIGEST) -> httpx.Response:
    return client.post(f"/competitions/{SLUG}/terms", json={"sha256": digest})


def test_an_upload_needs_the_terms_of_the_person_as_they_are_now(site: Site, tmp_path: Path) -> None:
    site.change_specification(terms=TERMS)
    with site.register("ann") as ann, site.register("bob") as bob:
        refused = upload(ann)
        assert (refused.status_code, refused.json()["code"]) == (403, "terms_not_accepted")
        assert refused.json()["detail"].startswith("Accept the terms of faces before you upload: on its page Submit,")
        assert refused.json()["terms_sha256"] == DIGEST
        facts = ann.get(f"/competitions/{SLUG}").json()
        assert facts["terms"] == {"text": TEXT, "sha256": DIGEST}
        assert (facts["consent"], facts["retention"]) == (TERMS.consent, TERMS.retention)
        changed = accept(ann, "0" * 64)
        assert (changed.status_code, changed.json()["code"]) == (409, "terms_changed")
        first = accept(ann)
        assert (first.status_code, first.json()["sha256"]) == (200, DIGEST)
        assert accept(ann).json() == first.json()  # once
        assert upload(ann).status_code == 202
        invite = ann.post(f"/teams/{ann.get(f'/competitions/{SLUG}/team').json()['id']}/invites").json()["code"]
        assert bob.post(f"/invites/{invite}/accept").status_code == 200
        assert upload(bob, GOOD + b"'bob'\n").json()["code"] == "terms_not_accepted"  # a team accepts nothing for her
        assert accept(bob).status_code == 200
        assert upload(bob, GOOD + b"'bob'\n").status_code == 202
        with site.context.database.write() as session:
            found = editing.edit(session, SLUG, spec(terms=TermsSpec(text="Other terms.")))
        assert [one.key for one in found] == ["terms.text"]
        assert upload(ann, GOOD + b"'2'\n").json()["code"] == "terms_not_accepted"
        assert upload(ann).status_code == 200  # what was sent before costs nothing
        assert accept(ann, sha256(b"Other terms.").hexdigest()).status_code == 200
        assert upload(ann, GOOD + b"'2'\n").status_code == 202
    site.evaluate()
    export(site.context, SLUG, tmp_path / "archive", margins=False, logits=False)
    archive = (tmp_path / "archive" / "archive.json").read_text()
    accepted = json.loads(archive)["competition"]["terms_accepted"]
    assert accepted == {DIGEST: 2, sha256(b"Other terms.").hexdigest(): 1}
    with site.context.database.read() as session:
        assert len(session.scalars(select(TermsAcceptance)).all()) == 3
    deletion.delete(site.context, SLUG)
    with site.context.database.read() as session:
        assert not session.scalars(select(TermsAcceptance)).all()


def test_without_terms_nothing_changes(site: Site) -> None:
    with site.register("ann") as ann:
        answer = accept(ann)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_terms")
        assert upload(ann).status_code == 202
        assert ann.get(f"/competitions/{SLUG}").json()["terms"] is None


def test_the_page_shows_them_with_one_button(site: Site) -> None:
    site.change_specification(terms=TERMS)
    site.register("ann").close()
    with httpx.Client(base_url=site.url, follow_redirects=True) as browser:
        page = browser.get(f"/competitions/{SLUG}").text
        assert "All have agreed in writing." in page
        assert "Deleted by the end of 2027." in page
        browser.post("/login", data={"username": "ann", "password": "correct horse"})
        form = browser.get(f"/competitions/{SLUG}/submit").text
        assert "<p>I publish none.</p>" in form
        assert 'name="source"' not in form
        proof = re.search(r'name="csrf_token" value="([^"]+)"', form)
        assert proof is not None
        data = {"csrf_token": proof[1], "sha256": "0" * 64}
        stale = browser.post(f"/competitions/{SLUG}/terms", data=data)
        assert stale.status_code == 409
        assert "Read them again" in stale.text
        shown = browser.post(f"/competitions/{SLUG}/terms", data=data | {"sha256": DIGEST})
        assert shown.status_code == 200
        assert "Terms accepted." in shown.text
        assert 'name="source"' in shown.text
        assert "Accept the terms" not in shown.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_submit_shows_them_and_asks(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.change_specification(terms=TERMS)
    file = tmp_path / "mine.py"
    file.write_bytes(GOOD)
    monkeypatch.setenv("LETHE_SERVER", site.url)

    def submit(client: httpx.Client, *words: str, typed: str = "") -> Any:
        monkeypatch.setenv("LETHE_TOKEN", client.headers["Authorization"].removeprefix("Bearer "))
        return CliRunner().invoke(app, ["submit", str(file), "-c", SLUG, *words], input=typed)

    with site.register("ann") as ann, site.register("bob") as bob:
        refused = submit(ann, typed="n\n")
        assert refused.exit_code == 1
        assert "I publish none." in refused.stderr
        assert "Do you accept them?" in refused.stderr
        assert not list(ann.get(f"/competitions/{SLUG}/submissions").json()["items"])
        assert submit(ann, typed="y\n").exit_code == 0
        file.write_bytes(GOOD + b"'2'\n")
        again = submit(ann)
        assert again.exit_code == 0
        assert "Terms of" not in again.stderr
        done = submit(bob, "--accept-terms", "--json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout.splitlines()[-1])["state"] == "queued"
        assert bob.get(f"/competitions/{SLUG}").json()["teams"] == 2
