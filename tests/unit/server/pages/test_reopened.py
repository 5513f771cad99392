"""Addresses of forms, opened as pages: a reload or a bookmark after a form leads to the page that the form was on."""

import pytest

from tests.unit.server.pages.conftest import Ask


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("/competitions/c/team/invite", "/competitions/c/team"),
        ("/competitions/c/terms", "/competitions/c"),
        ("/host/c/close", "/host/c"),
        (
            "/submissions/61ac83db-aef4-4451-8631-55795182300e/cancel",
            "/submissions/61ac83db-aef4-4451-8631-55795182300e",
        ),
        ("/logout", "/"),
    ],
)
def test_the_address_of_a_form_leads_to_its_page(ask: Ask, address: str, page: str) -> None:
    answer = ask(address, accept="text/html")
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert ask(address).status_code == 405  # a program is told
