"""Server-sent events: what becomes of submissions, from one poller per process that holds no database session."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from evaluator.contract.states import SubmissionState
from server.context import Context
from server.errors import RequestError
from server.logs import get_logger
from server.models import Submission
from server.submissions.schemas import SubmissionView
from server.submissions.views import view

log = get_logger(__name__)

POLL_S = 1.0
WHOLE_EVERY = 5
"""Polls after which what has not moved is looked at, too: its place in the queue moves with others."""
LONGEST_S = 15 * 60.0
PER_ACCOUNT = 10
PER_ADDRESS = 50


class TooManyStreams(RequestError):
    """The account or the address follows as many submissions as it may."""

    status = 429
    code = "too_many_streams"
    title = "Too many event streams"


MARK = (
    Submission.id,
    Submission.state,
    Submission.generation,
    Submission.runs_shown,
    Submission.selected_at,
    Submission.disqualified_reason,
)
"""What of a submission changes when something happens to it."""


@dataclass(eq=False)
class _Follower:
    """One stream, and what it has not been told yet."""

    submission_id: UUID
    latest: SubmissionView | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, new: SubmissionView) -> None:
        if self.latest is None or _told(new) != _told(self.latest):
            self.latest = new
            self.changed.set()


class Feed:
    """Follows submissions for as many streams as there are, with one look at the database a second in all."""

    def __init__(self, context: Context) -> None:
        self._database = context.database
        self._followers: set[_Follower] = set()
        self._open: Counter[str] = Counter()
        self._poller: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def place(self, account: str, address: str) -> AsyncIterator[None]:
        """Room for one stream as long as the context lasts; raises TooManyStreams."""
        limits = {f"account {account}": PER_ACCOUNT, f"address {address}": PER_ADDRESS}
        for name, limit in limits.items():
            if self._open[name] >= limit:
                raise TooManyStreams(f"This {name.split()[0]} has {limit} event streams open. Close one first.")
        self._open.update(limits.keys())
        try:
            yield
        finally:
            self._open.subtract(limits.keys())
            self._open += Counter()  # drops the zeros

    async def follow(self, submission_id: UUID) -> AsyncIterator[SubmissionView]:
        """The submission now and after every change, until it has ended or `LONGEST_S` seconds have passed."""
        follower = _Follower(submission_id)
        self._followers.add(follower)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        end_at = asyncio.get_running_loop().time() + LONGEST_S
        try:
            while follower.latest is None or not SubmissionState(follower.latest.state).is_terminal:
                async with asyncio.timeout_at(end_at):
                    await follower.changed.wait()
                follower.changed.clear()
                assert follower.latest is not None  # noqa: S101 - `tell` sets it first
                yield follower.latest
        except TimeoutError:
            return
        finally:
            self._followers.discard(follower)

    async def _poll(self) -> None:
        marks: dict[UUID, Any] = {}
        for turn in count():
            if not self._followers:
                return
            wanted = {follower.submission_id for follower in self._followers}
            new = {follower.submission_id for follower in self._followers if follower.latest is None}
            known = {} if turn % WHOLE_EVERY == 0 else {key: marks[key] for key in marks.keys() - new}
            try:
                found, marks = await run_in_threadpool(self._look, wanted, known)
            except OperationalError as error:
                log.warning("database_unavailable", error=str(error))
                found = {}
            for follower in tuple(self._followers):
                if follower.submission_id in found:
                    follower.tell(found[follower.submission_id])
            await asyncio.sleep(POLL_S)

    def _look(
        self, identifiers: set[UUID], known: dict[UUID, Any]
    ) -> tuple[dict[UUID, SubmissionView], dict[UUID, Any]]:
        """What became of those whose mark is not the known one, and the marks of all: one query when nothing moved."""
        with self._database.read() as session:
            marks = {row.id: tuple(row) for row in session.execute(select(*MARK).where(Submission.id.in_(identifiers)))}
            moved = {identifier for identifier, mark in marks.items() if known.get(identifier) != mark}
            return {found.id: view(session, found) for found in _submissions(session, moved)}, marks


def _submissions(session: Session, identifiers: set[UUID]) -> list[Submission]:
    return list(session.scalars(select(Submission).where(Submission.id.in_(identifiers))))


def _told(shown: SubmissionView) -> SubmissionView:
    """What counts as a change: everything but the estimate, which moves all the time."""
    return shown.model_copy(update={"eta_s": None})
