"""Ranks of the day before, and the plots of scores."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

UNDRAWN = sa.text("plots IS NULL AND submission_id IS NOT NULL")
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    with op.batch_alter_table("standings") as table:
        table.add_column(sa.Column("rank_before", sa.Integer(), nullable=True))
        table.add_column(sa.Column("ranked_on", sa.Date(), nullable=True))
    with op.batch_alter_table("scores") as table:
        table.add_column(sa.Column("plots", JSON, nullable=True))
    op.create_index("ix_scores_undrawn", "scores", ["created_at"], sqlite_where=UNDRAWN, postgresql_where=UNDRAWN)


def downgrade() -> None:
    op.drop_index("ix_scores_undrawn", "scores")
    with op.batch_alter_table("scores") as table:
        table.drop_column("plots")
    with op.batch_alter_table("standings") as table:
        table.drop_column("ranked_on")
        table.drop_column("rank_before")
