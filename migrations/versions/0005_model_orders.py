"""Orders of bank models, so that any number of machines can train one bank."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "oracle_banks",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("identity", JSON, nullable=False),
        sa.Column("torch", sa.String(length=64), nullable=False),
        sa.Column("needs_gpu", sa.Boolean(), nullable=False),
        sa.Column("offered", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_oracle_banks")),
    )
    op.create_table(
        "model_orders",
        sa.Column("bank_digest", sa.String(length=64), nullable=False),
        sa.Column("model_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("breakdowns", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=True),
        sa.Column("worker_key_id", sa.Uuid(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["bank_digest"], ["oracle_banks.digest"], name=op.f("fk_model_orders_bank_digest")),
        sa.ForeignKeyConstraint(["worker_key_id"], ["worker_keys.id"], name=op.f("fk_model_orders_worker_key_id")),
        sa.PrimaryKeyConstraint("bank_digest", "model_index", name=op.f("pk_model_orders")),
    )
    with op.batch_alter_table("model_orders", schema=None) as batch_op:
        batch_op.create_index("ix_model_orders_state", ["state"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("model_orders", schema=None) as batch_op:
        batch_op.drop_index("ix_model_orders_state")

    op.drop_table("model_orders")
    op.drop_table("oracle_banks")
