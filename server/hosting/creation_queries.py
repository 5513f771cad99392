"""SQL of creations at work: each has a lease, which ends after its death."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lethe.server.models import Lease

CREATION = "create:"
"""What the names of their leases begin with."""


def are_any_dead(session: Session, now: datetime) -> bool:
    """Return whether the lease of a creation has ended."""
    dead = select(Lease.name).where(Lease.name.startswith(CREATION), Lease.expires_at <= now)
    return session.scalar(dead.limit(1)) is not None


def lock_creations(session: Session) -> Sequence[Lease]:
    """Return the leases of all creations by name, locked until the commit."""
    found = select(Lease).where(Lease.name.startswith(CREATION))
    return session.scalars(found.order_by(Lease.name).with_for_update()).all()
