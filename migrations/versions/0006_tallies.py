"""Counts of what has happened, and the request that a submission came with."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tallies",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("process", sa.String(length=200), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "process", name=op.f("pk_tallies")),
    )
    op.add_column("submissions", sa.Column("request_id", sa.String(length=32), nullable=True))


def downgrade() -> None:
    op.drop_column("submissions", "request_id")
    op.drop_table("tallies")
