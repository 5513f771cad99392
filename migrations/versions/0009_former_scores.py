"""Scores as they were before a rescore."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
NUMBERS = ("final_score", "interval_low", "interval_high", "forgetting_quality", "retain_ratio", "test_ratio")


def upgrade() -> None:
    op.create_table(
        "former_scores",
        sa.Column("score_id", sa.Uuid(), nullable=False),
        sa.Column("scored_at", TIME, nullable=False),
        *(sa.Column(name, sa.Double(), nullable=False) for name in NUMBERS),
        sa.Column("replicates", DOCUMENT, nullable=False),
        sa.Column("receipt", DOCUMENT, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["score_id"], ["scores.id"], name=op.f("fk_former_scores_score_id_scores"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_former_scores")),
    )
    op.create_index("ix_former_scores_score", "former_scores", ["score_id", "created_at"])


def downgrade() -> None:
    op.drop_table("former_scores")
