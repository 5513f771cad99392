"""Workers that operators drain or disable and that are quarantined, and the items at which workers failed."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("admission", sa.String(8), nullable=False, server_default="open"))
    op.add_column("workers", sa.Column("quarantined_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("work_items", sa.Column("faults", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "worker_faults",
        sa.Column("work_item_id", sa.Uuid(), nullable=False),
        sa.Column("worker_key_id", sa.Uuid(), nullable=False),
        sa.Column("worker", sa.String(200), nullable=False),
        sa.Column("done_elsewhere_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["work_item_id"], ["work_items.id"], name="fk_worker_faults_work_item_id_work_items", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["worker_key_id"], ["worker_keys.id"], name="fk_worker_faults_worker_key_id_worker_keys", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_worker_faults"),
    )
    op.create_index("ix_worker_faults_work_item_id", "worker_faults", ["work_item_id"])
    op.create_index("ix_worker_faults_worker_key_id_worker", "worker_faults", ["worker_key_id", "worker"])
