"""Server-sent events about submissions, from one poller per process that keeps no database session open."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from lethe.evaluator.contract.states import SubmissionState
from lethe.server.context import Context
from lethe.server.errors import RequestError
from lethe.server.logs import get_logger
from lethe.server.models import User
from lethe.server.submissions import queries
from lethe.server.submissions.schemas import SubmissionView
from lethe.server.submissions.views import view

log = get_logger(__name__)

POLL_S = 1.0
WHOLE_EVERY = 5
"""Polls from one read of all submissions, changed or not, to the next: places in the queue change without a mark."""
LONGEST_S = 15 * 60.0
PER_ACCOUNT = 10
PER_ADDRESS = 50
RETRY_AFTER_S = 30


class TooManyStreams(RequestError):
    """The account or the address has as many streams open as it may."""

    status = 429
    code = "too_many_streams"
    title = "Too many event streams"


class StreamsTaken(RequestError):
    """The server has as many streams open as it keeps; everything else still answers."""

    status = 503
    code = "streams_taken"
    title = "No event stream is free"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"All {limit} event streams of this server are in use. Ask for the submission every few seconds instead.",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )


@dataclass(eq=False)
class _Follower:
    """One stream and the newest view for it; `changed` is set until the stream has sent that view."""

    submission_id: UUID
    user: User
    latest: SubmissionView | None = None
    is_over: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self) -> None:
        self.is_over = True
        self.changed.set()

    def update(self, new: SubmissionView) -> None:
        if self.latest is None or _without_estimate(new) != _without_estimate(self.latest):
            self.latest = new
            self.changed.set()


class Feed:
    """Follows submissions for all streams of the process with one query a second."""

    def __init__(self, context: Context) -> None:
        self._database = context.database
        self.limit = context.settings.streams
        self.taken = 0
        self._followers: set[_Follower] = set()
        self._open: Counter[str] = Counter()
        self._poller: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def place(self, account: str, address: str) -> AsyncIterator[None]:
        """Count one stream of the account and the address while the context lasts.

        Raises TooManyStreams when they have theirs, and StreamsTaken when all of the process are in use.
        """
        limits = {f"account {account}": PER_ACCOUNT, f"address {address}": PER_ADDRESS}
        for name, limit in limits.items():
            if self._open[name] >= limit:
                raise TooManyStreams(f"This {name.split()[0]} has {limit} event streams open. Close one first.")
        if self.taken >= self.limit:
            raise StreamsTaken(self.limit)
        self.taken += 1
        self._open.update(limits.keys())
        try:
            yield
        finally:
            self.taken -= 1
            self._open.subtract(limits.keys())
            self._open += Counter()  # drops the zeros

    async def follow(self, submission_id: UUID, user: User) -> AsyncIterator[SubmissionView]:
        """Yield the submission now and after every change, until it has ended or `LONGEST_S` seconds have passed.

        It also ends within some seconds when `user` no longer may see it: the account was disabled, its password
        changed, or it left the team.
        """
        follower = _Follower(submission_id, user)
        self._followers.add(follower)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        end_at = asyncio.get_running_loop().time() + LONGEST_S
        try:
            while follower.latest is None or not SubmissionState(follower.latest.state).is_terminal:
                async with asyncio.timeout_at(end_at):
                    await follower.changed.wait()
                if follower.is_over:
                    return
                follower.changed.clear()
                assert follower.latest is not None  # noqa: S101 - `update` sets it first
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
            is_whole = turn % WHOLE_EVERY == 0
            unchanged = {} if is_whole else {key: marks[key] for key in marks.keys() - new}
            try:
                views, marks = await run_in_threadpool(self._look, wanted, unchanged)
                if is_whole:
                    await self._end_of_strangers()
            except SQLAlchemyError as error:  # the database is away or has no connection left: both pass
                log.warning("database_unavailable", error=str(error))
                views = {}
            for follower in tuple(self._followers):
                if follower.submission_id in views:
                    follower.update(views[follower.submission_id])
            await asyncio.sleep(POLL_S)

    async def _end_of_strangers(self) -> None:
        """End the streams of those who would no longer be let in."""
        followers = tuple(self._followers)
        members = await run_in_threadpool(self._members, {follower.user.id for follower in followers})
        for follower in followers:
            if (follower.user.id, follower.user.password_hash, follower.submission_id) not in members:
                follower.end()

    def _members(self, user_ids: set[UUID]) -> set[tuple[UUID, str, UUID]]:
        with self._database.read() as session:
            wanted = [follower.submission_id for follower in self._followers]
            rows = queries.enabled_members.rows(session, user_ids=list(user_ids), submission_ids=wanted)
            return {(row.user_id, row.password_hash, row.submission_id) for row in rows}

    def _look(
        self, submission_ids: set[UUID], before: dict[UUID, Any]
    ) -> tuple[dict[UUID, SubmissionView], dict[UUID, Any]]:
        """Return views of submissions whose mark differs from `before`, and all marks; one query if nothing changed."""
        with self._database.read() as session:
            rows = queries.change_marks.rows(session, submission_ids=list(submission_ids))
            marks = {row.id: tuple(row) for row in rows}
            changed = {submission_id for submission_id, mark in marks.items() if before.get(submission_id) != mark}
            return {one.id: view(session, one) for one in queries.by_id(session, changed)}, marks


def _without_estimate(view: SubmissionView) -> SubmissionView:
    """Leave out the estimate, which moves all the time: changes of everything else are sent."""
    return view.model_copy(update={"eta_s": None})
