"""Mail through a real SMTP server: confirmed addresses, new passwords, notices, digests, and servers that refuse."""

import email
import email.policy
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from pydantic import SecretStr
from sqlalchemy import select, update

from lethe.evaluator.contract.specification import LeaksSpec
from lethe.server.context import Context
from lethe.server.control.mailer import tell_closings
from lethe.server.hosting import account_administration, actions
from lethe.server.mail.outbox import next_digest
from lethe.server.mail.sending import drop_stale, send_next
from lethe.server.models import Competition, MailedSecret, OutboxMail
from lethe.server.models.times import utc_now
from lethe.server.settings import Settings, parse_smtp_url
from tests.conftest import free_port, sign_oneself
from tests.integration.server.conftest import SLUG, Site, upload

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]
PUBLIC = "https://lethe.example.org"
NOTICES = ["ended", "invitation", "announcement", "closing", "revealed"]


@dataclass
class Inbox:
    """A mail server's handler that keeps what it takes; `answer` refuses."""

    answer: str = "250 OK"
    raw: list[Any] = field(default_factory=list)

    async def handle_RCPT(self, *found: Any) -> str:  # noqa: N802 - its own name
        _, _, envelope, address, _ = found
        envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, _: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802 - its own name
        self.raw.append((envelope.rcpt_tos, envelope.content, session.ssl is not None, session.authenticated))
        return "250 taken"

    def read(self) -> list[EmailMessage]:
        """The mails since the last look."""
        taken, self.raw = self.raw, []
        return [email.message_from_bytes(one[1], policy=email.policy.default) for one in taken]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    sign_oneself(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def mail_server(inbox: Inbox) -> Iterator[str]:
    """The URL of a mail server on this machine."""
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield f"smtp://127.0.0.1:{controller.port}?tls=none"
    controller.stop()


@pytest.fixture
def mailing(site: Site, mail_server: str) -> Site:
    """The site with mail; `site.app` answers with it, too."""
    return with_mail(site, mail_server)


def with_mail(site: Site, url: str) -> Site:
    settings = Settings.model_validate(
        site.context.settings.model_dump()
        | {"smtp_url": SecretStr(url), "mail_from": "Lethe <lethe@example.org>", "public_url": PUBLIC}
    )
    context = replace(site.context, settings=settings)
    site.app.state.context = context
    return replace(site, context=context)


def sent(context: Context) -> None:
    while send_next(context):
        pass


def link(message: EmailMessage, page: str) -> str:
    found = re.search(rf"{PUBLIC}(/{page}/\S+)", message.get_content())
    assert found is not None, message.get_content()
    return found[1]


@contextmanager
def confirmed(site: Site, inbox: Inbox, name: str, notices: list[str] | None = None) -> Iterator[httpx.Client]:
    """An account that has confirmed its address and wants to be told."""
    with site.register(name) as client:
        sent(site.context)
        (message,) = inbox.read()
        assert message["To"] == f"{name}@example.org"
        assert client.post("/confirmations", json={"token": link(message, "confirm").split("/")[-1]}).status_code == 204
        answer = client.patch("/users/me", json={"notices": notices or NOTICES, "daily_digest": False})
        assert answer.json()["email_confirmed"] is True, answer.text
        yield client


def test_without_a_mail_server_nothing_is_offered(site: Site) -> None:
    with site.register("ann") as ann:
        assert ann.post("/password-resets", json={"account": "ann"}).json()["code"] == "no_mail"
        assert httpx.get(f"{site.url}/reset").status_code == 409
        assert "Forgotten" not in httpx.get(f"{site.url}/login").text
        assert ann.patch("/users/me", json={"notices": ["ended"]}).json()["code"] == "address_unconfirmed"
        upload(ann)
        site.evaluate()
    with site.context.database.read() as session:
        assert session.scalars(select(OutboxMail)).all() == []
    assert not send_next(site.context)


def test_a_forgotten_password(mailing: Site, inbox: Inbox) -> None:
    url = mailing.url
    with mailing.register("ann") as ann:
        sent(mailing.context)
        inbox.read()
        for typed in ("nobody@example.org", "ANN@example.org"):
            answer = httpx.post(f"{url}/reset", data={"account": typed})
            assert (answer.status_code, answer.headers["location"]) == (303, "/reset?done=reset-mailed")
        sent(mailing.context)
        (message,) = inbox.read()
        assert message["To"] == "ann@example.org"
        assert message["Auto-Submitted"] == "auto-generated"
        path = link(message, "reset")
        moved = ann.patch("/users/me", json={"email": "thief@example.com", "password": "correct horse"})
        assert moved.status_code == 200
        sent(mailing.context)
        theft = link(inbox.read()[0], "confirm")
        assert "New password" in httpx.get(url + path).text
        short = httpx.post(url + path, data={"new_password": "x"})
        assert (short.status_code, path in short.text) == (422, True)
        done = httpx.post(url + path, data={"new_password": "staple battery", "end_access": "yes"})
        assert (done.status_code, done.headers["location"]) == (303, "/login?done=reset")
        assert httpx.post(url + path, data={"new_password": "once more!!"}).status_code == 404
        assert ann.get("/users/me").status_code == 401
        assert httpx.post(url + theft).status_code == 404  # whoever was in the account cannot take it back
        assert ann.post("/tokens", json={}, auth=("ann", "staple battery")).status_code == 201
    with mailing.context.database.write() as session:
        account_administration.set_disabled(session, "ann", is_disabled=True)
    assert httpx.post(f"{url}/api/v1/password-resets", json={"account": "ann"}).status_code == 202
    sent(mailing.context)
    assert inbox.read() == []


def test_a_reset_that_keeps_tokens_and_one_that_came_too_late(mailing: Site, inbox: Inbox) -> None:
    with mailing.register("ann") as ann:
        sent(mailing.context)
        inbox.read()
        for _ in range(2):
            assert ann.post("/password-resets", json={"account": "ann"}).status_code == 202
        sent(mailing.context)
        first, second = (link(one, "reset").split("/")[-1] for one in inbox.read())
        new = {"new_password": "staple battery", "end_access": False}
        assert ann.post("/password-resets/redeem", json={"token": first} | new).json()["code"] == "link_invalid"
        with mailing.context.database.write() as session:
            session.execute(update(MailedSecret).values(expires_at=utc_now() - timedelta(seconds=1)))
        assert ann.post("/password-resets/redeem", json={"token": second} | new).json()["code"] == "link_invalid"
        drop_stale(mailing.context)
        with mailing.context.database.read() as session:
            assert session.scalars(select(MailedSecret)).all() == []
        assert ann.post("/password-resets", json={"account": "ann"}).status_code == 202
        sent(mailing.context)
        token = link(inbox.read()[0], "reset").split("/")[-1]
        assert ann.post("/password-resets/redeem", json={"token": token} | new).status_code == 204
        assert ann.get("/users/me").json()["email_confirmed"] is True


def test_another_address_counts_once_it_is_confirmed(mailing: Site, inbox: Inbox) -> None:
    with confirmed(mailing, inbox, "ann") as ann, confirmed(mailing, inbox, "bob"):
        new = {"email": "ann@example.com", "password": "wrong horse"}
        assert ann.patch("/users/me", json=new).json()["code"] == "wrong_password"
        new["password"] = "correct horse"
        assert ann.patch("/users/me", json=new).json()["email"] == "ann@example.org"
        sent(mailing.context)
        (message,) = inbox.read()
        assert message["To"] == "ann@example.com"
        path = link(message, "confirm")
        assert "Confirm your address" in httpx.get(mailing.url + path).text  # a look confirms nothing
        assert ann.get("/users/me").json()["email"] == "ann@example.org"
        assert httpx.post(mailing.url + path).status_code == 303
        assert httpx.post(mailing.url + path).status_code == 404
        assert ann.get("/users/me").json()["email"] == "ann@example.com"
        sent(mailing.context)
        (message,) = inbox.read()
        assert (message["To"], message["Subject"]) == ("ann@example.org", "Your account has another address")
        assert "ann@example.com" not in message.get_content()
        taken = ann.patch("/users/me", json=new | {"email": "bob@example.org"})
        assert taken.status_code == 200  # says nothing about other accounts
        sent(mailing.context)
        (message,) = inbox.read()
        assert (message["To"], message["Subject"]) == ("bob@example.org", "This address has an account")
        assert PUBLIC + "/confirm" not in message.get_content()


def test_notices_and_one_click(mailing: Site, inbox: Inbox) -> None:
    with confirmed(mailing, inbox, "ann") as ann, confirmed(mailing, inbox, "bob", ["announcement"]) as bob:
        team = ann.post(f"/competitions/{SLUG}/teams", json={"name": "[link=https://evil]x[/link]"}).json()["id"]
        code = ann.post(f"/teams/{team}/invites").json()["code"]
        assert bob.post(f"/invites/{code}/accept").status_code == 200
        submission = upload(ann).json()["id"]
        mailing.evaluate()
        with mailing.context.database.write() as session:
            actions.announce(session, SLUG, title="News\u202e", body="of today")
            actions.extend(session, SLUG, utc_now() + timedelta(hours=23))
        for _ in range(2):
            tell_closings(mailing.context)
        sent(mailing.context)
        mails = inbox.read()
        subjects = {(str(one["To"]), str(one["Subject"])) for one in mails}
        assert len(mails) == len(subjects)
        assert subjects == {
            ("ann@example.org", "bob has joined your team"),
            ("ann@example.org", f"mine.py in {SLUG}: scored"),
            ("ann@example.org", f"{SLUG} ends within 24 hours"),
            ("ann@example.org", f"{SLUG}: News\\u202e"),
            ("bob@example.org", f"{SLUG}: News\\u202e"),
        }
        ended = next(one for one in mails if "scored" in one["Subject"])
        assert f"{PUBLIC}/submissions/{submission}" in ended.get_content()
        assert not re.search(r"0\.\d", ended.get_content())  # its page says the score
        assert ended["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        address = str(ended["List-Unsubscribe"]).strip("<>").replace(PUBLIC, mailing.url)
        assert "Unsubscribe" in httpx.get(address).text
        clicked = httpx.post(
            address, data={"List-Unsubscribe": "One-Click"}, headers={"Origin": "https://mail.example"}
        )
        assert clicked.status_code == 200  # RFC 8058: no redirect
        assert "no more of these mails" in clicked.text
        assert ann.get("/users/me").json()["notices"] == [one for one in NOTICES if one != "ended"]
        assert httpx.post(f"{mailing.url}/unsubscribe/unknown/ended").status_code == 200


def test_ended_submissions_in_one_mail_a_day(mailing: Site, inbox: Inbox) -> None:
    with confirmed(mailing, inbox, "ann") as ann:
        ann.patch("/users/me", json={"daily_digest": True})
        for number in range(3):
            upload(ann, f"def unlearning(a, b, c, d):\n    return {number}\n".encode(), f"{number}.py")
            mailing.evaluate()
        sent(mailing.context)
        assert inbox.read() == []
        with mailing.context.database.write() as session:
            due = session.scalars(select(OutboxMail.due_at)).all()
            assert set(due) == {next_digest(utc_now())}
            session.execute(update(OutboxMail).values(retry_at=utc_now()))
        sent(mailing.context)
        (message,) = inbox.read()
        assert message["Subject"] == "3 submissions have ended"
        assert all(f"{number}.py" in message.get_content() for number in range(3))


def test_the_end_of_hidden_runs_is_mailed_at_a_step_of_the_clock(mailing: Site, inbox: Inbox) -> None:
    from tests.integration.server.test_leaks import _let_it_show

    mailing.change_specification(leaks=LeaksSpec(step_s=3600))
    with confirmed(mailing, inbox, "ann") as ann:
        address = f"/submissions/{upload(ann).json()['id']}"
        mailing.evaluate()
        sent(mailing.context)
        assert (ann.get(address).json()["state"], inbox.read()) == ("queued", [])
        _let_it_show(mailing)
        sent(mailing.context)
        assert (ann.get(address).json()["state"], len(inbox.read())) == ("scored", 1)


def test_nothing_is_lost_while_the_mail_server_refuses(mailing: Site, inbox: Inbox) -> None:
    inbox.answer = "451 come back later"
    with mailing.register("ann"):
        pass
    assert send_next(mailing.context)  # another one might be taken
    assert not send_next(mailing.context)  # it waits a minute
    with mailing.context.database.write() as session:
        (mail,) = session.scalars(select(OutboxMail))
        assert mail.attempts == 1
        assert 50 < (mail.retry_at - utc_now()).total_seconds() <= 60
        mail.due_at = mail.retry_at = utc_now() - timedelta(days=1)
    drop_stale(mailing.context)
    inbox.answer = "250 OK"
    sent(mailing.context)
    assert len(inbox.read()) == 1
    inbox.answer = "550 no such person"
    with mailing.register("bob") as bob:
        for address in ("bob@example..org", "bob@[example.org"):  # which no mail can have
            bob.patch("/users/me", json={"email": address, "password": "correct horse"})
    sent(mailing.context)
    with mailing.context.database.read() as session:
        assert session.scalars(select(OutboxMail)).all() == []


def test_a_mail_server_that_is_away(mailing: Site) -> None:
    away = with_mail(mailing, f"smtp://127.0.0.1:{free_port()}")
    with away.register("ann") as ann:
        assert not send_next(away.context)
        assert ann.get("/users/me").status_code == 200
    with away.context.database.write() as session:
        (mail,) = session.scalars(select(OutboxMail))
        mail.due_at = utc_now() - timedelta(days=5)
    drop_stale(away.context)
    with away.context.database.read() as session:
        assert session.scalars(select(OutboxMail)).all() == []


@pytest.mark.parametrize("kind", ["starttls", "implicit"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_mail_is_encrypted_and_verified(
    kind: str, site: Site, inbox: Inbox, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    trusting = ssl.create_default_context(cafile=certificate[0])
    more: dict[str, Any] = {"ssl_context": context} if kind == "implicit" else {}
    port = free_port()

    def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.login == b"me" and data.password == b"p@ss:word")

    class Encrypted(Controller):
        def factory(self) -> SMTP:
            tls: dict[str, Any] = {} if kind == "implicit" else {"tls_context": context, "require_starttls": True}
            return SMTP(self.handler, authenticator=login, auth_require_tls=kind == "starttls", **tls)

        def _trigger_server(self) -> None:
            with socket.create_connection(("localhost", port), timeout=10) as raw:
                if kind == "implicit":
                    trusting.wrap_socket(raw, server_hostname="localhost").close()

    controller = Encrypted(inbox, hostname="localhost", port=port, ready_timeout=20, **more)
    controller.start()
    try:
        scheme = "smtps" if kind == "implicit" else "smtp"
        mailing = with_mail(site, f"{scheme}://me:p%40ss%3Aword@localhost:{port}")
        mailing.register("ann").close()
        assert not send_next(mailing.context)  # nobody has vouched for the certificate
        assert inbox.raw == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        with mailing.context.database.write() as session:
            session.execute(update(OutboxMail).values(retry_at=utc_now()))
        assert send_next(mailing.context)
        ((_, _, is_started, is_known),) = inbox.raw
        assert (is_started or kind == "implicit", is_known) == (True, True)
    finally:
        controller.stop()


def test_settings_of_mail_are_checked_in_words() -> None:
    assert parse_smtp_url("smtps://mail.example.org").port == 465  # type: ignore[union-attr]
    assert parse_smtp_url("smtp://mail.example.org").tls == "starttls"  # type: ignore[union-attr]
    assert "secret" not in repr(parse_smtp_url("smtp://me:secret@mail.example.org"))
    for url in (
        "mail.example.org",
        "http://mail",
        "smtp://",
        "smtp://mail?tls=maybe",
        "smtp://mail/path",
        "smtp://me:w%C3%B6rd@mail",
    ):
        with pytest.raises(ValueError, match="smtp"):
            Settings(smtp_url=SecretStr(url), mail_from="a@b.c", public_url=PUBLIC)
    with pytest.raises(ValueError, match="LETHE_PUBLIC_URL"):
        Settings(smtp_url=SecretStr("smtp://mail"), mail_from="a@b.c")


def test_who_ends_is_told_once_for_each_end(mailing: Site, inbox: Inbox) -> None:
    with confirmed(mailing, inbox, "ann") as ann:
        upload(ann)
        with mailing.context.database.write() as session:
            actions.extend(session, SLUG, utc_now() + timedelta(days=3))
        tell_closings(mailing.context)
        sent(mailing.context)
        assert inbox.read() == []
        with mailing.context.database.write() as session:
            session.execute(update(Competition).values(public_ends_at=utc_now() + timedelta(hours=1)))
        tell_closings(mailing.context)
        sent(mailing.context)
        assert len(inbox.read()) == 1
