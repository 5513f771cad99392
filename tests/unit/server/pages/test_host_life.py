"""A host lists, edits and deletes competitions on their pages; nobody else does."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from lethe.evaluator.contract.data_sources import ImageFolderSpec
from lethe.server.competitions import service
from lethe.server.models import AuditEvent, Competition
from tests.unit.server.pages.conftest import Browser, Open

EDIT, DELETE = "/host/c/edit", "/host/c/delete"


def fields(page: str) -> dict[str, str]:
    """What a browser would send of the form for editing, untouched."""
    form = page.split('action="/host/c/edit"', 1)[1].split("</form>", 1)[0]
    found = dict(re.findall(r'<input(?: id="[^"]+")?(?: type="hidden")? name="([^"]+)"[^>]*? value="([^"]*)"', form))
    found |= dict(re.findall(r'<textarea id="[^"]+" name="([^"]+)"[^>]*>\n?(.*?)</textarea>', form, re.DOTALL))
    for name, options in re.findall(r'<select id="[^"]+" name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        found[name] = re.findall(r"<option selected>([^<]*)", options)[0]
    return {name: unescape(value).replace("\n", "\r\n") for name, value in found.items() if name != "csrf_token"}


def stored(app: FastAPI) -> Competition:
    with app.state.context.database.read() as session:
        return service.get_competition(session, "c", drafts=True)


def events(app: FastAPI, action: str) -> list[AuditEvent]:
    with app.state.context.database.read() as session:
        return list(session.scalars(select(AuditEvent).where(AuditEvent.action == action)))


def test_the_list_has_what_a_visitor_hosts(host: Browser, browser: Open) -> None:
    page = host.get("/host").text
    assert all(f'href="/host/c{part}"' in page for part in ("", "/details", "/edit", "/delete"))
    other = browser()
    other.register("eve")
    assert "You host no competition" in other.get("/host").text
    assert browser().get("/host").url.path == "/login"


@pytest.mark.parametrize("page", ["details", "edit", "delete"])
def test_the_pages_do_not_exist_for_others(ann: Browser, browser: Open, page: str) -> None:
    assert ann.get(f"/host/c/{page}").status_code == 404
    assert browser().get(f"/host/c/{page}").url.path == "/login"


@pytest.mark.parametrize("action", ["edit", "delete", "delete-photographs", "archive"])
def test_what_they_do_others_cannot(ann: Browser, app: FastAPI, action: str) -> None:
    ann.get("/account")
    assert ann.post(f"/host/c/{action}", confirmed="c", title="Mine").status_code == 404
    assert ann.post(f"/host/c/{action}", csrf_token="0" * 64, confirmed="c").status_code == 403
    assert stored(app).photographs_deleted_at is None


def test_details_are_those_of_the_command(host: Browser) -> None:
    page = host.get("/host/c/details").text
    assert "c is open" in page
    assert "31,337" in page  # counts, which hosts may see
    assert "bea" in page


def test_a_form_that_nobody_touched_changes_nothing(host: Browser, app: FastAPI) -> None:
    before = stored(app).specification
    answer = host.post(EDIT, **fields(host.get(EDIT).text))
    assert "Nothing to save" in answer.text
    assert (stored(app).specification, stored(app).edited_at) == (before, None)


def test_an_edit_shows_on_the_page_and_in_the_audit_log(host: Browser, browser: Open, app: FastAPI) -> None:
    typed = fields(host.get(EDIT).text) | {
        "title": "Other <b>",
        "description": "One.\r\n\r\nTwo.",
        "phases.public_end": "2999-05-31T22:00",
        "quotas.submissions_per_day": "3",
        "terms.text": "Be kind.",
        "board.methods": "always",
    }
    assert "Saved." in host.post(EDIT, **typed).text
    found = stored(app)
    assert (found.title, found.specification["description"]) == ("Other <b>", "One.\n\nTwo.")
    assert found.public_ends_at == datetime(2999, 5, 31, 22, tzinfo=UTC)
    page = browser().get("/competitions/c").text
    assert "Other &lt;b&gt;" in page
    assert "Edited by the host" in page
    (event,) = events(app, "competition.edit")
    keys = ["title", "description", "phases.public_end", "board.methods", "quotas.submissions_per_day", "terms.text"]
    assert event.actor == "user:bea"
    assert sorted(event.details["keys"]) == sorted(keys)
    assert "quotas.submissions_per_day" in host.get("/host/c").text


def test_names_of_classes_that_were_edited_stand_below_the_contact_sheet(
    host: Browser, browser: Open, app: FastAPI
) -> None:
    names = ImageFolderSpec(source="image-folder", classes=2, class_names=("cats", "dogs"))
    with app.state.context.database.write() as session:
        found = service.get_competition(session, "c")
        found.specification = found.specification | {"data": names.model_dump(mode="json")}
        found.prepared = found.prepared | {"data": found.prepared["data"] | {"class_names": ["cats", "dogs"]}}
    typed = fields(host.get(EDIT).text)
    assert typed["data.class_names"] == "cats\r\ndogs"
    refused = host.post(EDIT, **typed | {"data.class_names": "cats"})
    assert "class_names must be 2 different names" in refused.text
    assert "Saved." in host.post(EDIT, **typed | {"data.class_names": "cats\r\nhounds"}).text
    assert "Rows are classes: 0 cats, 1 hounds." in browser().get("/competitions/c").text


def test_what_stays_is_shown_with_the_reason_and_refused(host: Browser, app: FastAPI) -> None:
    page = host.get(EDIT).text
    assert "limits.run_wall_s" not in fields(page)  # something is uploaded
    assert "submissions were measured under it" in page
    assert "data and models were made from it" in page
    answer = host.post(EDIT, **fields(page), **{"limits.run_wall_s": "7"})
    assert answer.status_code == 409
    assert "limits.run_wall_s: submissions were measured under it" in answer.text
    assert stored(app).edited_at is None


def test_mistakes_are_named_beside_their_fields_and_nothing_typed_is_lost(host: Browser, app: FastAPI) -> None:
    typed = fields(host.get(EDIT).text) | {
        "title": "",
        "quotas.in_flight": "many",
        "phases.public_start": "2999-01-02T00:00",
        "phases.public_end": "2999-01-01T00:00",
        "summary": "Typed",
    }
    answer = host.post(EDIT, **typed)
    assert answer.status_code == 422
    assert re.search(r'id="field-title-problem"[^>]*>String should have at least 1 character', answer.text)
    assert 'id="field-quotas-in_flight-problem"' in answer.text
    assert "must follow each other" in answer.text
    assert fields(answer.text)["summary"] == "Typed"
    assert stored(app).edited_at is None


def test_a_date_that_was_moved_is_shown_and_can_be_moved_back(host: Browser, app: FastAPI) -> None:
    end = "2999-01-01T00:00:00"
    host.post(EDIT, **fields(host.get(EDIT).text) | {"phases.public_end": end})
    host.post("/host/c/extend", until="2999-02-01T00:00")
    typed = fields(host.get(EDIT).text)
    assert typed["phases.public_end"] == "2999-02-01T00:00:00"
    assert "Saved." in host.post(EDIT, **typed | {"phases.public_end": end}).text
    assert stored(app).public_ends_at == datetime(2999, 1, 1, tzinfo=UTC)


def test_two_hosts_do_not_undo_each_others_edits(host: Browser, app: FastAPI) -> None:
    first = fields(host.get(EDIT).text)
    host.post(EDIT, **first | {"summary": "Of the other host"})
    answer = host.post(EDIT, **first | {"title": "Mine"})
    assert answer.status_code == 409
    assert "have changed since this form was opened" in answer.text
    assert answer.text.count("Stored now: ") == 2
    assert "Stored now: Of the other host" in answer.text
    typed = fields(answer.text) | {"summary": "Of the other host"}
    assert typed["title"] == "Mine"
    assert stored(app).specification["summary"] == "Of the other host"
    assert "Saved." in host.post(EDIT, **typed).text
    assert stored(app).specification["summary"] == "Of the other host"


@pytest.mark.parametrize("action", ["delete", "delete-photographs"])
def test_nothing_is_deleted_without_the_slug(host: Browser, app: FastAPI, action: str) -> None:
    host.get(DELETE)
    answer = host.post(f"/host/c/{action}", confirmed="d")
    assert answer.status_code == 400
    assert "type c in the field" in answer.text
    assert stored(app).photographs_deleted_at is None


def test_photographs_go_after_the_end_only(host: Browser, app: FastAPI) -> None:
    assert "can be deleted once it is closed" in host.get(DELETE).text
    assert host.post("/host/c/delete-photographs", confirmed="c").status_code == 409
    host.post("/host/c/close")
    answer = host.post("/host/c/delete-photographs", confirmed="c")
    assert "made of them, are deleted" in answer.text
    assert stored(app).photographs_deleted_at is not None
    assert "They were deleted on" in host.get(DELETE).text
    assert [one.actor for one in events(app, "competition.delete_photographs")] == ["user:bea"]


def test_a_deleted_competition_is_gone(host: Browser, app: FastAPI) -> None:
    host.get(DELETE)
    answer = host.post(DELETE, confirmed=" c ")
    assert answer.url.path == "/host"
    assert "The audit log stays" in answer.text
    assert host.get("/host/c").status_code == 404
    assert [one.actor for one in events(app, "competition.delete")] == ["user:bea"]
