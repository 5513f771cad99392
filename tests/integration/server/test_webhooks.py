"""Webhooks through a real receiver: signed, retried, listed with answers, sent again; and what must not be reached."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import httpx
import pytest
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook as Verifier

from lethe.evaluator.contract.specification import LeaksSpec
from lethe.server.models import AuditEvent, WebhookDelivery
from lethe.server.models.times import utc_now
from lethe.server.settings import Settings
from lethe.server.webhooks import sending, transport
from lethe.server.webhooks.addresses import is_public
from tests.integration.server.conftest import SLUG, Site, upload

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]


@dataclass
class Receiver:
    """What a receiver got, and how it answers."""

    url: str = ""
    status: int = 200
    body: bytes = b"thank you"
    slowly: bool = False
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.taken.append((dict(self.headers), body))
            self.send_response(receiver.status)
            self.send_header("Location", "http://127.0.0.1/elsewhere")
            if receiver.slowly:
                time.sleep(3)
            self.end_headers()
            self.wfile.write(receiver.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield receiver
    server.shutdown()
    server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as found:
        yield found


@pytest.fixture
def sending_site(site: Site) -> Site:
    """The site, on which webhooks may lead to this machine."""
    settings = Settings.model_validate(site.context.settings.model_dump() | {"webhook_networks": "127.0.0.0/8"})
    context = replace(site.context, settings=settings)
    site.app.state.context = context
    return replace(site, context=context)


def sent(site: Site) -> None:
    while sending.send_next(site.context):
        pass


def deliveries(site: Site) -> list[WebhookDelivery]:
    with site.context.database.read() as session:
        return list(session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.created_at)))


def test_signed_listed_and_sent_again(sending_site: Site, receiver: Receiver) -> None:
    site = sending_site
    with site.register("ann") as ann, site.register("bob") as bob:
        team = ann.post(f"/competitions/{SLUG}/teams", json={"name": "A team"}).json()["id"]
        new = {"url": receiver.url, "events": ["scored"]}
        assert bob.post(f"/teams/{team}/webhooks", json=new).status_code == 404
        assert ann.post(f"/competitions/{SLUG}/webhooks", json=new).status_code == 404
        made = ann.post(f"/teams/{team}/webhooks", json=new)
        assert made.status_code == 201, made.text
        hook, secret = f"/webhooks/{made.json()['id']}", made.json()["secret"]
        assert secret not in ann.get(f"/teams/{team}/webhooks").text
        receiver.status, receiver.body = 503, b"later" + b"x" * 10_000_000
        submission = upload(ann).json()["id"]
        site.evaluate()
        sent(site)
        ((headers, body),) = receiver.taken
        document = Verifier(secret).verify(body, {name.lower(): value for name, value in headers.items()})
        assert document["type"] == "submission.scored"
        assert document["data"] == {
            "competition": SLUG, "submission": submission, "team": team, "filename": "mine.py",
            "evaluation": "public", "state": "scored", "code": None,
        }  # fmt: skip
        (line,) = ann.get(f"{hook}/deliveries").json()["items"]
        assert (line["status"], line["delivered_at"], len(line["answer"])) == (503, None, 1000)
        assert line["payload"] == json.loads(body)
        assert bob.get(f"{hook}/deliveries").status_code == 404
        receiver.status, receiver.body = 200, b"thank you\x1b[2J"
        again = f"{hook}/deliveries/{line['id']}/redeliver"
        assert bob.post(again).status_code == 404
        assert ann.post(again).status_code == 202
        assert ann.post(again).json()["code"] == "already_waiting"
        sent(site)
        assert receiver.taken[1][0]["webhook-id"] == headers["webhook-id"]
        (line,) = ann.get(f"{hook}/deliveries").json()["items"]
        assert (line["status"], line["retry_at"], line["answer"]) == (200, None, "thank you\\x1b[2J")
        assert bob.delete(hook).status_code == 404
        assert ann.delete(hook).status_code == 204
    with site.context.database.read() as session:
        actions = session.scalars(select(AuditEvent.action).where(AuditEvent.action.startswith("webhook."))).all()
        assert sorted(actions) == ["webhook.add", "webhook.delete", "webhook.redeliver"]
    assert deliveries(site) == []


def test_a_slow_receiver_holds_up_nobody_else(
    sending_site: Site, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LIMIT_S", 1.0)
    site = sending_site
    with listening() as slow, site.register("ann") as ann:
        slow.slowly = True
        team = ann.post(f"/competitions/{SLUG}/teams", json={"name": "A team"}).json()["id"]
        for one in (slow, receiver):
            ann.post(f"/teams/{team}/webhooks", json={"url": one.url, "events": ["ended"]})
        for number in range(2):
            upload(ann, f"def unlearning(a, b, c, d):\n    return {number}\n".encode(), f"{number}.py")
        site.evaluate()
        sent(site)
        assert (len(slow.taken), len(receiver.taken)) == (1, 2)  # the other message waits with the first
    problems = sorted((one.problem, one.attempts) for one in deliveries(site) if one.delivered_at is None)
    assert problems == [("", 0), ("No answer within 1 seconds.", 1)]
    with site.context.database.write() as session:
        waiting = update(WebhookDelivery).where(WebhookDelivery.retry_at.is_not(None))
        session.execute(waiting.values(due_at=utc_now() - timedelta(days=1), retry_at=utc_now()))
    sent(site)
    outcomes = [(one.attempts, one.retry_at is None) for one in deliveries(site) if one.delivered_at is None]
    assert sorted(outcomes) == [(0, False), (2, True)]  # tried for a day, and given up


def test_the_page_adds_shows_and_deletes(sending_site: Site, receiver: Receiver) -> None:
    site = sending_site
    with site.register("ann") as ann:
        ann.post(f"/competitions/{SLUG}/teams", json={"name": "A team"})
        upload(ann)
    page = f"{site.url}/competitions/{SLUG}/team/webhooks"
    with httpx.Client(headers={"Origin": site.url}, follow_redirects=True) as browser:
        assert browser.get(page).url.path == "/login"
        proof = _proof(browser.post(f"{site.url}/login", data={"username": "ann", "password": "correct horse"}).text)
        refused = browser.post(page, data={"csrf_token": proof, "url": "https://10.0.0.1/"})
        assert (refused.status_code, "choose what it is told" in refused.text) == (422, True)
        refused = browser.post(page, data={"csrf_token": proof, "url": "https://10.0.0.1/", "events": ["ended"]})
        assert (refused.status_code, "no public address" in refused.text) == (400, True)
        made = browser.post(page, data={"csrf_token": proof, "url": receiver.url, "events": ["ended", "scored"]})
        assert "whsec_" in made.text
        assert "whsec_" not in browser.get(page).text
        site.evaluate()
        sent(site)
        shown = browser.get(page).text
        assert shown.count("taken: 200") == 2
        again = re.search(r'action="([^"]*/redeliver)"', shown)
        assert again is not None
        assert "sent again" in browser.post(site.url + again[1], data={"csrf_token": proof}).text
        sent(site)
        assert len(receiver.taken) == 3
        delete = re.search(r'action="([^"]*/delete)"', shown)
        assert delete is not None
        assert "Webhook deleted." in browser.post(site.url + delete[1], data={"csrf_token": proof}).text
        assert browser.get(f"{site.url}/host/{SLUG}/webhooks").status_code == 404


def _proof(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def test_what_is_not_public_is_not_reached(site: Site, receiver: Receiver) -> None:
    with site.register("ann") as ann:
        team = ann.post(f"/competitions/{SLUG}/teams", json={"name": "A team"}).json()["id"]
        for url in (
            "http://example.org/", "https://127.0.0.1/", "https://2130706433/", "https://[::1]/", "https://10.0.0.1/",
            "https://169.254.169.254/", "https://me:secret@example.org/", "ftp://example.org", "https://x" * 200, "x",
        ):  # fmt: skip
            answer = ann.post(f"/teams/{team}/webhooks", json={"url": url, "events": ["ended"]})
            assert answer.status_code in {400, 422}, url
        named = receiver.url.replace("http://127.0.0.1", "https://localhost")
        assert ann.post(f"/teams/{team}/webhooks", json={"url": named, "events": ["ended"]}).status_code == 201
        upload(ann)
        site.evaluate()
        sent(site)
    (found,) = deliveries(site)
    assert "leads to no public address" in found.problem
    assert (found.retry_at, receiver.taken) == (None, [])


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "168.63.129.16"),
        *("0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fd00:ec2::254", "ff02::1"),  # noqa: S104 - not bound
        *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a00:1", "2002:7f00:1::", "::127.0.0.1"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    assert is_public(ip_address("8.8.8.8"))
    assert is_public(ip_address("2606:4700:4700::1111"))


def test_redirects_are_not_followed_and_hidden_runs_are_told_at_a_step(sending_site: Site, receiver: Receiver) -> None:
    from tests.integration.server.test_leaks import _let_it_show

    site = sending_site
    receiver.status = 302
    site.change_specification(leaks=LeaksSpec(step_s=3600))
    with site.register("ann") as ann:
        team = ann.post(f"/competitions/{SLUG}/teams", json={"name": "A team"}).json()["id"]
        ann.post(f"/teams/{team}/webhooks", json={"url": receiver.url, "events": ["ended"]})
        address = f"/submissions/{upload(ann).json()['id']}"
        site.evaluate()
        sent(site)
        assert (ann.get(address).json()["state"], receiver.taken) == ("queued", [])
        _let_it_show(site)
        sent(site)
        assert (ann.get(address).json()["state"], len(receiver.taken)) == ("scored", 1)
    (found,) = deliveries(site)
    assert (found.status, found.delivered_at) == (302, None)
    assert "0." not in str(found.payload)
