"""The outputs of a scored submission lie in one pack."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "output_packs",
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name=op.f("fk_output_packs_submission_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_output_packs")),
        sa.UniqueConstraint("submission_id", "generation", name=op.f("uq_output_packs_submission_id_generation")),
    )


def downgrade() -> None:
    op.drop_table("output_packs")
