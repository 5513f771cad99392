"""Idempotency keys of uploads: the same key with the same request answers with the same submission, for a day."""

import hashlib
from datetime import timedelta

from sqlalchemy.orm import Session

from lethe.server.errors import RequestError
from lethe.server.models import IdempotencyKey, Submission, User
from lethe.server.models.times import utc_now
from lethe.server.submissions import queries

KEPT = timedelta(hours=24)


class IdempotencyMismatch(RequestError):
    """The same Idempotency-Key came with another request."""

    status = 422
    code = "idempotency_mismatch"
    title = "Idempotency key used before"


def request_digest(slug: str, file_sha256: str) -> str:
    """Return a digest of what an upload's answer depends on: the competition and the SHA-256 of the file."""
    return hashlib.sha256(f"{slug}\n{file_sha256}".encode()).hexdigest()


def recall(session: Session, user: User, key: str, digest: str) -> tuple[Submission, int] | None:
    """Return the submission and the status that answered the key, or None; raises IdempotencyMismatch."""
    stored = queries.find_idempotency_key(session, user, key, since=utc_now() - KEPT)
    if stored is None:
        return None
    if stored.request_sha256 != digest:
        raise IdempotencyMismatch(
            "This Idempotency-Key was sent with another file or competition. Send a new key with a new upload."
        )
    return session.get_one(Submission, stored.submission_id), stored.status


def remember(session: Session, user: User, key: str, digest: str, submission: Submission, status: int) -> None:
    """Store the answer for a day and delete the account's older keys."""
    queries.delete_idempotency_keys.rows(session, user_id=user.id, until=utc_now() - KEPT)
    session.add(
        IdempotencyKey(user_id=user.id, key=key, request_sha256=digest, submission_id=submission.id, status=status)
    )
