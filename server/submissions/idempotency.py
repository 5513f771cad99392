"""Idempotency keys of uploads: the same key with the same request answers with the same submission, for a day."""

import hashlib
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from server.errors import RequestError
from server.models import IdempotencyKey, Submission, User
from server.models.times import utc_now

KEPT = timedelta(hours=24)


class IdempotencyMismatch(RequestError):
    """The same Idempotency-Key came with another request."""

    status = 422
    code = "idempotency_mismatch"
    title = "Idempotency key used before"


def request_digest(slug: str, sha256: str) -> str:
    """A digest of what an upload's answer depends on."""
    return hashlib.sha256(f"{slug}\n{sha256}".encode()).hexdigest()


def recall(session: Session, user: User, key: str, digest: str) -> tuple[Submission, int] | None:
    """What the key was answered with, and the status, or None; raises IdempotencyMismatch."""
    known = session.scalar(
        select(IdempotencyKey).where(
            IdempotencyKey.user_id == user.id,
            IdempotencyKey.key == key,
            IdempotencyKey.created_at > utc_now() - KEPT,
        )
    )
    if known is None:
        return None
    if known.request_sha256 != digest:
        raise IdempotencyMismatch(
            "This Idempotency-Key was sent with another file or competition. Send a new key with a new upload."
        )
    return session.get_one(Submission, known.submission_id), known.status


def remember(session: Session, user: User, key: str, digest: str, submission: Submission, status: int) -> None:
    """Keep the answer for a day; the account's keys that are older go."""
    session.execute(
        delete(IdempotencyKey).where(IdempotencyKey.user_id == user.id, IdempotencyKey.created_at <= utc_now() - KEPT)
    )
    session.add(
        IdempotencyKey(user_id=user.id, key=key, request_sha256=digest, submission_id=submission.id, status=status)
    )
