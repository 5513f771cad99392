"""Reports are delivered in spite of outages, until the worker has to stop."""

import threading
import time

import httpx
import pytest

from lethe.evaluator.contract.base import Contract
from lethe.evaluator.worker import server_client
from lethe.evaluator.worker.server_client import KeyRefused, WorkClient


class Server(httpx.BaseTransport):
    """Answers each request with the next of these status codes, then with the last one again and again."""

    def __init__(self, *statuses: int) -> None:
        self.requests = 0
        self._statuses = statuses

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        status = self._statuses[min(self.requests, len(self._statuses) - 1)]
        self.requests += 1
        return httpx.Response(status, json={"accepted": True}, request=request)


def client_of(server: Server) -> WorkClient:
    client = WorkClient("http://server.invalid", "key", "worker")
    client._http = httpx.Client(base_url="http://server.invalid", transport=server)
    return client


def test_a_report_is_repeated_until_the_server_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_client, "FIRST_RETRY_S", 0.01)
    server = Server(503, 429, 200)
    answer = client_of(server)._report("/report", Contract(), threading.Event())
    assert answer is not None
    assert answer.accepted
    assert server.requests == 3


def test_stopping_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_client, "FIRST_RETRY_S", 60.0)
    server, give_up = Server(503), threading.Event()
    threading.Timer(0.05, give_up.set).start()
    started = time.monotonic()
    assert client_of(server)._report("/report", Contract(), give_up) is None
    assert time.monotonic() - started < server_client.FIRST_RETRY_S


def test_a_refusal_is_raised_at_once() -> None:
    server = Server(403)
    with pytest.raises(KeyRefused):
        client_of(server)._report("/report", Contract(), threading.Event())
    assert server.requests == 1
