"""Work that is not yet available says so in a column of its own; training orders name their holder as work items do."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Postponed work was leased without a holder. Postponed items of submissions that have ended since are dropped: nothing
# would drop them later.
DROP_OBSOLETE = """
UPDATE work_items SET state = 'failed', lease_expires_at = NULL
WHERE state = 'leased' AND worker IS NULL AND EXISTS (
    SELECT 1 FROM submissions
    WHERE submissions.id = work_items.submission_id AND (
        submissions.state IN ('scored', 'failed', 'cancelled')
        OR submissions.generation <> work_items.generation
        OR (submissions.fault_code IS NOT NULL AND work_items.stage <> 'score')
    )
)
"""
POSTPONE = """
UPDATE work_items SET state = 'ready', available_at = lease_expires_at, lease_expires_at = NULL
WHERE state = 'leased' AND worker IS NULL
"""


def upgrade() -> None:
    for table in ("work_items", "model_orders"):
        op.add_column(table, sa.Column("available_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("ALTER TABLE model_orders RENAME COLUMN holder TO worker")
    op.execute(DROP_OBSOLETE)
    op.execute(POSTPONE)
