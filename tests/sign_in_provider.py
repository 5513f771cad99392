"""A real OpenID provider in a process of its own, which misbehaves for people with telling names, and GitHub's calls.

`python -m tests.sign_in_provider PORT`. Whoever signs in as `wrong-issuer`, `expired`, … gets an ID token like that.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

CLIENT_ID, CLIENT_SECRET = "lethe", "a secret of the client"


@contextmanager
def running_provider() -> Iterator[str]:
    """The issuer, which answers."""
    from tests.conftest import free_port  # not in the provider, which needs no pytest

    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.sign_in_provider", str(port)], env={**os.environ},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    issuer = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{issuer}/jwks", timeout=5)
                break
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield issuer
    finally:
        process.terminate()
        process.wait(timeout=30)


def settings_of(issuer: str, **more: str) -> str:
    """LETHE_SIGN_IN with this provider as `uni` and, for GitHub's calls, as `github`."""
    client = f'client_id = "{CLIENT_ID}"\nclient_secret = "{CLIENT_SECRET}"\n'
    hub = issuer.replace("127.0.0.1", "localhost")
    tables = {
        "uni": f'title = "The University"\nissuer = "{issuer}"\n',
        "github": f'kind = "github"\nissuer = "{hub}"\n',
    }
    return "".join(f"[{name}]\n{text}{client}" for name, text in (tables | more).items())


def _misbehave(claims: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, dict[str, Any]] = {
        "wrong-issuer": {"iss": "https://elsewhere.example"},
        "wrong-audience": {"aud": "another client"},
        "two-audiences": {"aud": [CLIENT_ID, "another client"]},
        "expired": {"exp": int(time.time()) - 3_600, "iat": int(time.time()) - 7_200},
        "wrong-nonce": {"nonce": "of another sign-in"},
        "long-subject": {"sub": "x" * 300},
    }
    return claims | changes.get(claims["sub"], {})


def _sign(claims: dict[str, Any], key: Any) -> str:
    from joserfc import jwt
    from joserfc.jwk import OctKey, RSAKey

    if claims["sub"] == "unsigned":
        head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
        return f"{head}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}."
    if claims["sub"] == "signed-with-the-secret":
        return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(CLIENT_SECRET))
    if claims["sub"] == "foreign-key":
        return jwt.encode({"alg": "RS256"}, claims, RSAKey.generate_key())
    return jwt.encode({"alg": "RS256", "kid": key.get("kid", "")}, _misbehave(claims), RSAKey.import_key(key))


def _serve(port: int) -> None:
    import flask
    import oidc_provider_mock
    from werkzeug.serving import make_server

    app = oidc_provider_mock.app(require_nonce=True)
    challenges: dict[str, str] = {}
    codes: dict[str, str] = {}

    @app.before_request
    def check_verifier() -> Any:
        """PKCE, which the provider itself does not know."""
        if flask.request.path not in {"/oauth2/token", "/login/oauth/access_token"}:
            return None
        digest = hashlib.sha256(flask.request.form.get("code_verifier", "").encode()).digest()
        found = challenges.get(flask.request.form.get("code", ""), "")
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != found:
            return flask.jsonify({"error": "invalid_grant"}), 400
        return None

    @app.after_request
    def changed(answer: flask.Response) -> flask.Response:
        if flask.request.path.endswith("/authorize") and "code=" in (answer.location or ""):
            code = parse_qs(urlsplit(answer.location or "").query)["code"][0]
            assert flask.request.args["code_challenge_method"] == "S256"
            challenges[code] = flask.request.args["code_challenge"]
        if flask.request.path == "/oauth2/token" and answer.status_code == 200:
            token = answer.get_json()
            part = token["id_token"].split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
            key = flask.g.oidc_provider_mock_storage.jwk.as_dict(is_private=True)
            token["id_token"] = _sign(claims, key)
            token["padding"] = "x" * (10_000_000 if claims["sub"] == "long-answer" else 0)
            answer.set_data(json.dumps(token))
        return answer

    @app.route("/login/oauth/authorize", methods=["GET", "POST"])
    def authorize() -> Any:
        code = f"code-{len(codes)}"
        codes[code] = flask.request.form["sub"]
        asked = flask.request.args
        return flask.redirect(f"{asked['redirect_uri']}?code={code}&state={asked['state']}")

    @app.post("/login/oauth/access_token")
    def access_token() -> Any:
        name = codes.pop(flask.request.form["code"], None)
        return flask.jsonify({"access_token": name} if name else {"error": "bad_verification_code"})

    @app.get("/api/v3/user")
    def user() -> Any:
        name = flask.request.headers["Authorization"].removeprefix("Bearer ")
        return flask.jsonify({"id": sum(name.encode()), "login": name})

    @app.get("/api/v3/user/emails")
    def emails() -> Any:
        name = flask.request.headers["Authorization"].removeprefix("Bearer ")
        first = {"email": f"{name}@example.org", "primary": True, "verified": not name.startswith("unverified")}
        return flask.jsonify([{"email": "old@example.org", "primary": False, "verified": True}, first])

    make_server("127.0.0.1", port, app, threaded=True).serve_forever()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
