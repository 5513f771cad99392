"""Indexes of what waits and of what is done hold only those items, so that no plan can mistake one for the other."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

READY, DONE = sa.text("state = 'ready'"), sa.text("done_at IS NOT NULL")


def upgrade() -> None:
    op.drop_index("ix_work_items_done", "work_items")
    op.create_index("ix_work_items_done", "work_items", ["stage", "done_at"], postgresql_where=DONE, sqlite_where=DONE)
    op.create_index(
        "ix_work_items_waiting",
        "work_items",
        ["competition_id", "stage", "turn", "created_at"],
        postgresql_where=READY,
        sqlite_where=READY,
    )


def downgrade() -> None:
    op.drop_index("ix_work_items_waiting", "work_items")
    op.drop_index("ix_work_items_done", "work_items")
    op.create_index("ix_work_items_done", "work_items", ["stage", "done_at"])
