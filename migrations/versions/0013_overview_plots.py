"""The plot over all submissions of a competition, drawn by control."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "overview_plots",
        sa.Column("competition_id", sa.Uuid(), nullable=False),
        sa.Column("evaluation", sa.String(8), nullable=False),
        sa.Column("board_version", sa.Integer(), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("plot", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["competition_id"], ["competitions.id"], name="fk_overview_plots_competition_id_competitions"
        ),
        sa.PrimaryKeyConstraint("competition_id", "evaluation", name="pk_overview_plots"),
    )


def downgrade() -> None:
    op.drop_table("overview_plots")
