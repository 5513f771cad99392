"""Sign-in with accounts elsewhere, against a real provider that also misbehaves, and tokens that a browser confirms."""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import select

from lethe.server.accounts import device_logins
from lethe.server.hosting import account_administration
from lethe.server.hosting.personal_data import LastOperator, delete_own_account
from lethe.server.models import DeviceLogin, MailPreference, SignInIdentity, User, WebSession
from lethe.server.models.times import utc_now
from lethe.server.settings import Settings
from tests.conftest import free_port
from tests.integration.server.conftest import Site
from tests.sign_in_provider import CLIENT_SECRET, running_provider, settings_of

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]
PASSWORD = "correct horse"
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with running_provider() as issuer:
        yield issuer


@pytest.fixture
def signing(site: Site, issuer: str) -> Site:
    return with_providers(site, settings_of(issuer))


def with_providers(site: Site, text: str, **more: Any) -> Site:
    changed = site.context.settings.model_dump() | {"sign_in": SecretStr(text)} | more
    context = replace(site.context, settings=Settings.model_validate(changed))
    site.app.state.context = context
    return replace(site, context=context)


@dataclass
class Browser:
    """A browser's cookies, and the hands of whoever sits there."""

    site: Site
    http: httpx.Client

    def get(self, path: str) -> httpx.Response:
        return self.http.get(path)

    def post(self, path: str, **form: str) -> httpx.Response:
        return self.http.post(path, data=form)

    def to_provider(self, provider: str = "uni", **query: str) -> str:
        """The address at the provider to which the button leads."""
        answer = self.http.get(f"/sign-in/{provider}", params=query)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def back(self, sub: str, provider: str = "uni", **query: str) -> str:
        """The address at which the provider sends the browser back, after `sub` has signed in there."""
        found = httpx.post(self.to_provider(provider, **query), data={"sub": sub})
        assert found.status_code == 302, found.text
        return found.headers["location"].removeprefix(self.site.url)

    def sign_in(self, sub: str, provider: str = "uni", **query: str) -> httpx.Response:
        return self.http.get(self.back(sub, provider, **query))

    def who(self) -> str | None:
        """The user name of the session, if there is one."""
        answer = self.http.get("/api/v1/session")
        return answer.json()["username"] if answer.status_code == 200 else None

    def proof(self) -> str:
        return str(self.http.get("/api/v1/session").json()["csrf_token"])


@pytest.fixture
def browser(signing: Site) -> Iterator[Browser]:
    yield from _browser(signing)


@pytest.fixture
def other(signing: Site) -> Iterator[Browser]:
    yield from _browser(signing)


def _browser(site: Site) -> Iterator[Browser]:
    with httpx.Client(base_url=site.url, headers=HTML, timeout=30) as http:
        yield Browser(site, http)


@pytest.fixture(autouse=True, scope="module")
def people(issuer: str) -> None:
    """Whose address the provider has verified, or not."""
    for name, is_verified in (("ann", True), ("bob", False), ("dora", True)):
        claims = {"email": f"{name}@example.org", "email_verified": is_verified}
        assert httpx.put(f"{issuer}/users/{name}", json=claims).status_code == 204


def refusal(answer: httpx.Response) -> str:
    found = re.search(r'role="alert">(.*?)</p>', answer.text)
    assert found is not None, answer.text
    return found[1]


def test_a_first_sign_in_creates_an_account_and_the_next_one_logs_in(browser: Browser, other: Browser) -> None:
    answer = browser.sign_in("ann", next="/competitions/faces/submit")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    page = browser.get("/sign-in").text
    assert 'value="ann@example.org"' in page
    assert "Signed in with The University" in page
    made = browser.post("/sign-in/new", username="ann", email="ann@example.org")
    assert (made.status_code, made.headers["location"]) == (303, "/competitions/faces/submit")
    assert browser.who() == "ann"
    with browser.site.context.database.read() as session:
        user = session.scalars(select(User).where(User.username == "ann")).one()
        assert user.password_hash == ""
        assert session.get_one(MailPreference, user.id).confirmed_at is not None
    again = other.sign_in("ann")
    assert (again.status_code, again.headers["location"], other.who()) == (303, "/account", "ann")
    assert other.http.post("/api/v1/tokens", json={}, auth=("ann", "")).status_code == 401
    assert "The University" in other.get("/account").text
    created = other.post("/account/tokens", csrf_token=other.proof(), name="by page", days="9")
    assert "lethe_" in created.text


def test_github_counts_its_verified_primary_address(browser: Browser, other: Browser) -> None:
    browser.sign_in("octo", "github")
    assert 'value="octo@example.org"' in browser.get("/sign-in").text
    other.sign_in("unverified-octo", "github")
    page = other.get("/sign-in").text
    assert "unverified-octo@example.org" not in page
    assert "does not say that it has verified" in page
    replayed = other.back("replayer", "github")
    assert other.get(replayed).status_code == 303
    assert refusal(other.get(replayed)).startswith("This sign-in was begun in another browser")


def test_an_unverified_address_does_not_count(browser: Browser) -> None:
    browser.sign_in("bob")
    assert "bob@example.org" not in browser.get("/sign-in").text
    assert browser.post("/sign-in/new", username="bob", email="bob@example.org").status_code == 303
    with browser.site.context.database.read() as session:
        assert session.scalars(select(MailPreference)).all() == []


@pytest.mark.parametrize(
    "sub",
    [
        *("wrong-issuer", "wrong-audience", "two-audiences", "expired", "wrong-nonce", "long-subject"),
        *("unsigned", "signed-with-the-secret", "foreign-key"),
    ],
)
def test_an_id_token_that_proves_nothing_is_refused(browser: Browser, sub: str) -> None:
    answer = browser.sign_in(sub)
    assert answer.status_code == 403
    assert refusal(answer) == "The sign-in with The University did not succeed. Start it again."
    assert browser.get("/sign-in").status_code == 403
    assert browser.who() is None


def test_the_answer_belongs_to_the_browser_that_asked_and_counts_once(browser: Browser, other: Browser) -> None:
    back = browser.back("ann")
    assert refusal(other.get(back)).startswith("This sign-in was begun in another browser")
    wrong = re.sub(r"state=[^&]+", "state=guessed", back)
    assert refusal(browser.get(wrong)).startswith("The sign-in with The University did not succeed")
    assert refusal(browser.get(back)).startswith("This sign-in was begun in another browser")  # a failure ends it

    back = browser.back("ann")
    kept = dict(browser.http.cookies)
    assert browser.get(back).status_code == 303
    for name, value in kept.items():
        browser.http.cookies.set(name, value, domain="127.0.0.1")
    assert refusal(browser.get(back)).startswith("The sign-in with The University did not succeed")  # the code is used
    back = browser.back("ann")
    assert browser.get(f"{back}&iss=https://elsewhere.example").status_code == 403
    cancelled = browser.get(f"/sign-in/uni/callback?error=access_denied&state={_state(browser)}")
    assert refusal(cancelled) == "The University says that the sign-in was cancelled."
    name = next(name for name in dict(browser.http.cookies) if name.startswith("lethe_signed_in"))
    forged = browser.http.cookies[name].split(".")
    browser.http.cookies.set(name, f"{forged[0]}.{forged[1][:-4]}AAAA.{forged[2]}", domain="127.0.0.1")
    assert browser.get("/sign-in").status_code == 403


def _state(browser: Browser) -> str:
    return httpx.URL(browser.to_provider()).params["state"]


def test_a_provider_that_is_away_or_says_too_much_is_a_sentence(browser: Browser) -> None:
    assert refusal(browser.sign_in("long-answer")).startswith("The University does not answer as it should.")
    nobody = f"http://127.0.0.1:{free_port()}"
    with_providers(browser.site, settings_of(nobody))
    for _ in range(2):
        answer = browser.get("/sign-in/uni?next=/host")
        assert answer.status_code == 503
        assert refusal(answer).startswith("The University does not answer as it should.")
        assert 'name="next" value="/host"' in answer.text
    assert browser.get("/sign-in/nowhere").status_code == 404


def test_linking_asks_for_the_password_and_the_last_way_in_stays(browser: Browser, other: Browser) -> None:
    browser.site.register("ann").close()
    browser.sign_in("ann")
    taken = browser.post("/sign-in/new", username="another", email="ann@example.org")
    assert taken.status_code == 409
    assert browser.post("/sign-in/link", username="ann", password="wrong").status_code == 401
    assert browser.who() is None
    linked = browser.post("/sign-in/link", username="ann", password=PASSWORD)
    assert linked.headers["location"] == "/account?done=linked"
    other.sign_in("ann")
    assert other.who() == "ann"
    identity = _identity(other.site)
    assert other.post(f"/account/identities/{identity}/delete", csrf_token="wrong").status_code == 403
    assert other.post(f"/account/identities/{identity}/delete", csrf_token=other.proof()).status_code == 303
    assert _identity(other.site) is None

    other.sign_in("dora")  # logged in as ann: linking, not registering
    assert "Create an account" not in other.get("/sign-in").text
    assert other.post("/sign-in/link", csrf_token=other.proof(), password="wrong").status_code == 401
    assert other.post("/sign-in/link", csrf_token=other.proof(), password=PASSWORD).status_code == 303
    browser.post("/logout", csrf_token=browser.proof())
    browser.sign_in("bob")
    browser.post("/sign-in/new", username="bob", email="bob@example.org")
    refused = browser.sign_in("dora")
    assert refusal(refused).startswith("This sign-in is linked to another account.")
    assert browser.who() == "bob"


def _identity(site: Site) -> Any:
    with site.context.database.read() as session:
        return session.scalar(select(SignInIdentity.id))


def test_without_a_password_a_fresh_sign_in_proves_the_person(browser: Browser, other: Browser) -> None:
    browser.sign_in("ann")
    browser.post("/sign-in/new", username="ann", email="ann@example.org")
    page = browser.get("/account").text
    assert "Set a password" in page
    assert "Current password" not in page
    last = browser.post(f"/account/identities/{_identity(browser.site)}/delete", csrf_token=browser.proof())
    assert refusal(last) == "This is the only way to log in to your account. Set a password first."
    token = browser.http.post("/api/v1/tokens", json={}, headers={"X-CSRF-Token": browser.proof()}).json()["token"]
    with browser.site.client(token) as client:
        answer = client.patch("/users/me", json={"username": "eve"})
        assert (answer.status_code, answer.json()["code"]) == (409, "no_password")
    assert browser.post("/account/identity", csrf_token=browser.proof(), new_username="anna", email="ann@example.org")
    assert browser.who() == "anna"
    with browser.site.context.database.write() as session:
        for one in session.scalars(select(WebSession)):
            one.created_at = utc_now() - device_logins.KEPT * 2
    late = browser.post("/account/delete", csrf_token=browser.proof(), sure="yes")
    assert "This account has no password" in refusal(late)
    other.sign_in("ann")
    assert other.post("/account/password", csrf_token=other.proof(), new_password=PASSWORD).status_code == 303
    data = other.get("/account/data.json").json()
    assert [one["subject"] for one in data["sign_in_identities"]] == ["ann"]
    assert other.post("/account/delete", csrf_token=other.proof(), sure="yes", password=PASSWORD).status_code == 303
    assert _identity(other.site) is None
    assert other.sign_in("ann").headers["location"] == "/sign-in"


def test_registration_by_setting_holds_for_sign_ins(browser: Browser) -> None:
    object.__setattr__(browser.site.context.settings, "registration", "closed")
    browser.sign_in("ann")
    assert "takes no new accounts" in browser.get("/sign-in").text
    assert browser.post("/sign-in/new", username="ann", email="ann@example.org").status_code == 403
    object.__setattr__(browser.site.context.settings, "registration", "invite-only")
    with browser.site.context.database.write() as session:
        code = account_administration.invite(session)
    assert f"invite={code}" in browser.get(f"/register?invite={code}").text
    browser.sign_in("ann", invite=code)
    assert f'value="{code}"' in browser.get("/sign-in").text
    assert browser.post("/sign-in/new", username="ann", email="ann@example.org").status_code == 403
    assert browser.post("/sign-in/new", username="ann", email="ann@example.org", invite=code).status_code == 303


def test_a_disabled_account_stays_outside(browser: Browser, other: Browser) -> None:
    browser.sign_in("ann")
    browser.post("/sign-in/new", username="ann", email="ann@example.org")
    with browser.site.context.database.write() as session:
        account_administration.set_disabled(session, "ann", is_disabled=True)
    answer = other.sign_in("ann")
    assert answer.status_code == 403
    assert refusal(answer) == "This account is disabled. Ask the operator of this server."


def test_pages_offer_only_what_is_configured(browser: Browser) -> None:
    for path in ("/login?next=/host", "/register"):
        page = browser.get(path).text
        assert "Sign in with The University" in page
        assert "Sign in with github" in page
    assert "/sign-in/uni?next=%2Fhost" in browser.get("/login?next=/host").text
    with_providers(browser.site, "")
    assert "Sign in with" not in browser.get("/login").text
    assert browser.get("/sign-in/uni").status_code == 404


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "not TOML"),
        ('a = "b"', "a table [a]"),
        ('[uni]\nissuer = "https://x.example"', "client_id: Field required"),
        ('[uni]\nissuer = "http://x.example"\nclient_id = "c"\nclient_secret = "SECRETSECRETSECRET"', "https://"),
        ('[uni]\nissuer = "https://x.example"\nclient_id = "c"\nclient_secret = "SECRET"', "at least 16"),
        ('["U n"]\nissuer = "https://x.example"\nclient_id = "c"\nclient_secret = "SECRETSECRETSECRET"', "name"),
    ],
)
def test_a_wrong_setting_is_a_sentence_without_the_secret(text: str, says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(sign_in=SecretStr(text))
    assert says in str(refused.value)
    assert "SECRET" not in str(refused.value)


def test_a_program_gets_a_token_after_a_click(browser: Browser) -> None:
    site = browser.site
    site.register("ann").close()
    with site.client() as program:
        assert CLIENT_SECRET not in browser.get("/device?code=x").text
        begun = program.post("/device", json={"name": "lethe on laptop"}).json()
        ask = {"device_code": begun["device_code"]}
        assert _code(program.post("/device/token", json=ask)) == (400, "authorization_pending")
        assert _code(program.post("/device/token", json=ask)) == (400, "slow_down")
        assert _code(program.post("/device/token", json={"device_code": "x"})) == (400, "expired_token")
        path = begun["verification_uri_complete"].removeprefix(site.url)
        login = browser.get(path)
        assert login.headers["location"] == f"/login?next=/device%3Fcode%3D{begun['user_code']}"
        browser.post("/login", username="ann", password=PASSWORD)
        assert "lethe on laptop" in browser.get(path).text
        typed = begun["user_code"].replace("-", " ").lower()
        assert browser.post("/device", csrf_token="", code=typed, reply="confirm").status_code == 403
        assert browser.post("/device", csrf_token=browser.proof(), code=typed, reply="confirm").status_code == 303
        again = browser.post("/device", csrf_token=browser.proof(), code=typed, reply="confirm")
        assert refusal(again).startswith("No program waits with this code.")
        token = program.post("/device/token", json=ask).json()
        assert (token["username"], token["name"]) == ("ann", "lethe on laptop")
        assert _code(program.post("/device/token", json=ask)) == (400, "expired_token")
        with site.client(token["token"]) as client:
            assert client.get("/users/me").json()["username"] == "ann"
        begun = program.post("/device", json={}).json()
        browser.post("/device", csrf_token=browser.proof(), code=begun["user_code"], reply="refuse")
        refused = program.post("/device/token", json={"device_code": begun["device_code"]})
        assert _code(refused) == (400, "access_denied")
        program.post("/device", json={})
    with site.context.database.write() as session:
        (left,) = session.scalars(select(DeviceLogin))
        left.expires_at = utc_now()
        device_logins.begin(session, "next")
    with site.context.database.read() as session:
        assert [one.name for one in session.scalars(select(DeviceLogin))] == ["next"]


def _code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_of_two_operators_who_leave_at_the_same_time_one_stays(site: Site) -> None:
    users = []
    for name in ("ann", "bob"):
        site.register(name).close()
        with site.context.database.write() as session:
            account_administration.set_operator(session, name, is_operator=True)
            users.append(session.scalars(select(User).where(User.username == name)).one())
    ends: list[str] = []
    ready = threading.Barrier(2)

    def leave(user: User) -> None:
        ready.wait(30)
        try:
            delete_own_account(site.context, user)
            ends.append("gone")
        except LastOperator:
            ends.append("stays")

    threads = [threading.Thread(target=leave, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(ends) == ["gone", "stays"]
