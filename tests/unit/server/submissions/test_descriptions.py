"""What teams may say about a submission: one printable line each, and links that are what they seem."""

import pytest

from lethe.server.http.outward_links import is_link, link_host
from lethe.server.submissions.descriptions import Description, InvalidDescription, description_of


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("method", "a\u202egnp.exe"),
        ("method", "\x1b[31mred"),
        ("method", "two\nlines"),
        ("method", "two\u2028lines"),
        ("method", "m" * 81),
        ("note", "n" * 301),
        ("note", "zero\u200bwidth"),
        ("link", "javascript:alert(1)"),
        ("link", "data:text/html,x"),
        ("link", "//example.org"),
        ("link", "https:example.org"),
        ("link", "https://"),
        ("link", "ftp://example.org/paper"),
        ("link", "https://ann:secret@example.org"),
        ("link", "https://example.org@evil.org"),
        ("link", 'https://example.org/" onclick="x'),
        ("link", "https://exämple.org"),
        ("link", "https://example.org/a b"),
        ("link", "https://example.org:port"),
        ("link", "https://example.org\\@evil.org"),
        ("link", "https://e.org/" + "x" * 300),
    ],
)
def test_what_pages_or_terminals_would_obey_is_refused(field: str, text: str) -> None:
    with pytest.raises(InvalidDescription) as refused:
        description_of({field: text})
    assert str(refused.value).startswith(f"{field.capitalize()}: ")
    assert field != "link" or not (is_link(text) and len(text) <= 300)


@pytest.mark.parametrize(
    ("link", "host"),
    [
        ("https://example.org", "example.org"),
        ("http://EXAMPLE.org:8080/a?b=1&c=2#d", "example.org"),
        ("https://xn--exmple-cua.org/", "xn--exmple-cua.org"),
        ("https://[2001:db8::1]/paper", "2001:db8::1"),
        ("javascript:alert(1)", ""),
        ("", ""),
    ],
)
def test_a_link_shows_where_it_leads(link: str, host: str) -> None:
    assert link_host(link) == host


def test_blank_is_nothing_and_space_at_the_ends_is_cut() -> None:
    assert description_of({"method": "  Noise & tune ", "note": " ", "csrf_token": "x"}) == Description(
        method="Noise & tune"
    )
    assert description_of({}) == Description()
    assert description_of({"note": "naïve Λήθη 忘却 🫥"}).note == "naïve Λήθη 忘却 🫥"
