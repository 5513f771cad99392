"""Addresses of forms, opened as pages: a reload or a bookmark after a form leads to the page that the form was on."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

HTML = {"Accept": "text/html"}


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
def test_the_address_of_a_form_leads_to_its_page(app: FastAPI, address: str, page: str) -> None:
    client = TestClient(app, follow_redirects=False)
    answer = client.get(address, headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert client.get(address).status_code == 405  # a program is told
