"""Measures beside the score, of submissions and of ceiling and floor."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

UNMEASURED = sa.text("measures IS NULL OR measures_asked")
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
ALWAYS_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("scores", sa.Column("measures", JSON, nullable=True))
    op.add_column("scores", sa.Column("shown_measures", ALWAYS_JSON, nullable=False, server_default="{}"))
    op.add_column("scores", sa.Column("measures_asked", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(
        "ix_scores_unmeasured", "scores", ["created_at"], sqlite_where=UNMEASURED, postgresql_where=UNMEASURED
    )
