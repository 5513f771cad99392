"""Every way to send something wrong over HTTP: a stable code, a sentence that says what to do, and nothing stored."""

import socket
from urllib.parse import urlsplit

import pytest

from tests.integration.server.conftest import GOOD, SLUG, Site, upload

HEADER = "def unlearning(net, retain, forget, validation):"
REFUSED = {
    "empty": (b"", 422, "empty_file", None),
    "blank": (b" \n\t\n", 422, "empty_file", None),
    "not UTF-8": (b"\xff\xfe\x00 def", 422, "not_utf8", None),
    "too large": (b"#" * (128 * 2**10 + 1), 413, "file_too_large", None),
    "syntax error": (b"x = 1\ndef unlearning(:\n", 422, "syntax_error", 2),
    "null byte": (GOOD + b"\0", 422, "syntax_error", None),
    "no function": (b"def unlearn(net, retain, forget, validation):\n    pass\n", 422, "no_unlearning", None),
    "nested function only": (b"def f():\n    def unlearning(a, b, c, d): pass\n", 422, "no_unlearning", None),
    "return at module level": (GOOD + b"\nreturn\n", 422, "syntax_error", GOOD.count(b"\n") + 2),
    "no data": (b"import torch\ndef unlearning(net):\n    pass\n", 422, "wrong_parameters", 2),
    "names in no order": (b"def unlearning(net, seed, device, datasets):\n    pass\n", 422, "wrong_parameters", 1),
    "decorated": (b"@wrap\ndef unlearning(net, forget, retain, val):\n    pass\n", 422, "wrong_parameters", 2),
    "unbound fifth": (f"{HEADER[:-2]}, extra):\n    pass\n".encode(), 422, "wrong_parameters", 1),
    "async": (b"async " + GOOD, 422, "wrong_parameters", 1),
    "class": (b"class unlearning:\n    pass\n", 422, "wrong_parameters", 1),
    "URL dependency": (
        b'# /// script\n# dependencies = ["x @ file:///etc"]\n# ///\n' + GOOD, 422, "invalid_metadata", 1,
    ),
    "tool table": (
        b'# /// script\n# [tool.uv]\n# index-url = "http://127.0.0.1"\n# ///\n' + GOOD, 422, "invalid_metadata", 1,
    ),
    "hostile nesting": (b"x = " + b"-" * 120_000 + b"1\n" + GOOD, 422, "too_complex", None),
}  # fmt: skip
ACCEPTED = {
    "three parameters": b"def unlearning(net, retain, forget):\n    pass\n",
    "another order": b"def unlearning(net, forget_loader, retain_loader, val_loader):\n    pass\n",
    "extra parameters": f"{HEADER[:-2]}, device, seed=3):\n    pass\n".encode(),
    "star": b"def unlearning(*loaders):\n    pass\n",
    "lambda": b"unlearning = lambda net, r, f, v: net\n",
    "inside if": b"if True:\n    def unlearning(a, b, c, d, /):\n        pass\n",
    "imported": b"from torch.nn import Identity as unlearning\n",
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "dependencies": b'# /// script\n# dependencies = ["numpy>=1"]\n# ///\n' + GOOD,
}

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]


def test_refused_files_store_nothing(site: Site) -> None:
    with site.register("ann") as ann:
        for name, (data, status, code, line) in REFUSED.items():
            answer = upload(ann, data)
            problem = answer.json()
            assert (answer.status_code, problem["code"], problem.get("line")) == (status, code, line), name
            assert answer.headers["content-type"] == "application/problem+json"
            assert problem["detail"].endswith((".", ")")), name
        assert ann.get(f"/competitions/{SLUG}/submissions").json()["items"] == []


def test_unusual_but_good_files_are_taken(site: Site) -> None:
    with site.register("ann") as ann:
        for name, data in ACCEPTED.items():
            assert upload(ann, data).status_code == 202, name


def test_requests_without_credentials_or_target(site: Site) -> None:
    with site.client() as nobody:
        missing = upload(nobody)
        assert (missing.status_code, missing.json()["code"]) == (401, "token_missing")
        assert "Bearer" in missing.headers["www-authenticate"]
    with site.client("lethe_wrong") as stranger:
        wrong = upload(stranger)
        assert (wrong.status_code, wrong.json()["code"]) == (401, "token_invalid")
    with site.register("ann") as ann:
        unknown = ann.post("/competitions/facs/submissions", files={"file": ("a.py", GOOD)})
        assert (unknown.status_code, unknown.json()["code"]) == (404, "competition_not_found")
        assert SLUG in unknown.json()["detail"]
        no_file = ann.post(f"/competitions/{SLUG}/submissions")
        assert (no_file.status_code, no_file.json()["code"]) == (422, "invalid_request")
        nowhere = ann.get("/nothing")
        assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")


def test_bodies_over_the_limit_are_refused_before_they_are_read(site: Site) -> None:
    with site.register("ann") as ann:
        declared = upload(ann, b"#" * (17 * 2**20))
        assert (declared.status_code, declared.json()["code"]) == (413, "body_too_large")
        chunks = (b"x" * 2**20 for _ in range(18))
        streamed = ann.post(f"/competitions/{SLUG}/submissions", content=chunks)
        assert streamed.status_code in {413, 422}


def test_heads_and_trailers_without_end_are_cut_off(site: Site) -> None:
    start = f"POST /api/v1/competitions/{SLUG}/submissions HTTP/1.1\r\nHost: x\r\n".encode()
    body = b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    field = b"X-Field: y\r\n" * 1_000
    for head, more in (
        (b"GET /", b"x" * 10_000),
        (start + b"X: ", b"y" * 10_000),
        (start, field),
        (start + body, field),
    ):
        assert sent_until_closed(site, head, more) < 2**24


def sent_until_closed(site: Site, head: bytes, more: bytes) -> int:
    """How many bytes the server takes of a request that begins so and goes on without end; at most 64 MiB."""
    address = urlsplit(site.url)
    with socket.create_connection((address.hostname, address.port or 80), timeout=60) as connection:
        sent = connection.send(head)
        try:
            while sent < 2**26:
                connection.sendall(more)
                sent += len(more)
        except ConnectionError:
            pass
    return sent


def test_a_body_in_small_chunks_is_a_body(site: Site) -> None:
    boundary = {"Content-Type": "multipart/form-data; boundary=b"}
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.py"\r\n\r\n' + GOOD + b"#" * 90_000
    form += b"\r\n--b--\r\n"
    with site.register("ann") as ann:
        pieces = (form[start : start + 6] for start in range(0, len(form), 6))
        answer = ann.post(f"/competitions/{SLUG}/submissions", content=pieces, headers=boundary)
        assert answer.status_code == 202, answer.text


def test_accounts_and_tokens(site: Site) -> None:
    with site.client() as client:
        body = {"username": "Ann", "email": "ann@example.org", "password": "correct horse"}
        created = client.post("/users", json=body)
        assert created.status_code == 201
        for taken in ({**body, "username": "ANN", "email": "x@example.org"}, {**body, "username": "bob"}):
            answer = client.post("/users", json=taken)
            assert (answer.status_code, answer.json()["code"]) == (409, "account_taken")
        for bad in ({**body, "username": "a b"}, {**body, "email": "nowhere"}, {**body, "password": "short"}):
            answer = client.post("/users", json=bad)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert client.post("/tokens", json={}, auth=("ann", "wrong")).status_code == 401
        fresh = client.post("/tokens", json={"name": "laptop"}, auth=("ann", "correct horse")).json()
    with site.client(fresh["token"]) as ann:
        names = [token["name"] for token in ann.get("/tokens").json()["items"]]
        assert sorted(names) == ["first token", "laptop"]
        assert fresh["token"] not in ann.get("/tokens").text
        assert ann.delete(f"/tokens/{fresh['id']}").status_code == 204
        assert ann.get("/tokens").json()["code"] == "token_invalid"


def test_file_names_are_for_display_only(site: Site) -> None:
    with site.register("ann") as ann:
        answer = upload(ann, GOOD, name="../../etc/\x1b[31mcron.d\\evil.py")
        assert answer.json()["filename"] == "evil.py"
