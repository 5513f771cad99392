"""One object per process, made on first use by the room that needs it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lethe.server.context import Context, create_context
from lethe.server.settings import Settings


class Owner:
    """Counts how often it is made."""

    made = 0

    def __init__(self, context: Context) -> None:
        self.context = context
        Owner.made += 1


def slow(_context: Context) -> threading.Event:
    event = threading.Event()
    event.wait(0.05)
    return event


def nested(context: Context) -> tuple[Owner, Owner]:
    return context.one(Owner), context.one(Owner)


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    context = create_context(Settings(home=tmp_path))
    yield context
    context.dispose()


def test_an_object_is_made_once_with_the_context(context: Context) -> None:
    before = Owner.made
    first, second = context.one(nested)
    assert first is second is context.one(Owner)
    assert first.context is context
    assert Owner.made == before + 1


def test_threads_that_ask_at_the_same_time_get_the_same_object(context: Context) -> None:
    found: list[threading.Event] = []
    threads = [threading.Thread(target=lambda: found.append(context.one(slow))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({id(event) for event in found}) == 1


def test_contexts_share_nothing_and_keep_nothing_after_dispose(context: Context, tmp_path: Path) -> None:
    other = create_context(Settings(home=tmp_path / "other"))
    first = context.one(Owner)
    assert first is not other.one(Owner)
    other.dispose()
    context.dispose()
    assert context.one(Owner) is not first
