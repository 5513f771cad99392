"""An artifact store that is away holds an evaluation up for a while, and never against an interrupt."""

import threading
import time

import pytest

from lethe.evaluator import pipeline
from lethe.evaluator.artifacts import ArtifactCorrupt, ArtifactStoreAway


class Store:
    """Away for the first `outages` calls."""

    def __init__(self, outages: int) -> None:
        self.calls = 0
        self._outages = outages

    def get(self) -> bytes:
        self.calls += 1
        if self.calls <= self._outages:
            raise ArtifactStoreAway("no answer")
        return b"content"


def test_calls_are_repeated_while_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "FIRST_RETRY_S", 0.01)
    store = Store(outages=3)
    started = time.monotonic()
    assert pipeline._retry_while_away(store.get, threading.Event()) == b"content"
    assert store.calls == 4
    assert 0.01 + 0.02 + 0.04 <= time.monotonic() - started < 1 + 2 + 4  # which it is with waits of a second


def test_an_interrupt_ends_the_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "FIRST_RETRY_S", 60.0)
    store, interrupt = Store(outages=99), threading.Event()
    threading.Timer(0.1, interrupt.set).start()
    started = time.monotonic()
    with pytest.raises(ArtifactStoreAway):
        pipeline._retry_while_away(store.get, interrupt)
    assert store.calls == 2
    assert time.monotonic() - started < pipeline.FIRST_RETRY_S


def test_an_outage_that_does_not_end_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(pipeline, "OUTAGE_LIMIT_S", 0.05)
    store = Store(outages=99)
    with pytest.raises(ArtifactStoreAway):
        pipeline._retry_while_away(store.get, threading.Event())
    assert store.calls > 2


def test_only_outages_are_waited_for() -> None:
    def get() -> bytes:
        raise ArtifactCorrupt("other bytes")

    with pytest.raises(ArtifactCorrupt):
        pipeline._retry_while_away(get, threading.Event())
