"""Submissions counted by team, ends by kind; an index for the newest change of a board, and one of scores less."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("teams") as table:
        table.add_column(sa.Column("submissions", sa.Integer(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE teams SET submissions = (SELECT count(*) FROM submissions "
        "WHERE submissions.team_id = teams.id AND submissions.evaluation = 'public')"
    )
    op.execute(
        "INSERT INTO tallies (name, process, value) "
        "SELECT 'ended/' || state || '/' || coalesce(owner, '') || '/' || coalesce(fault_code, ''), 'before', count(*) "
        "FROM submissions WHERE state IN ('scored', 'failed', 'cancelled') GROUP BY state, owner, fault_code"
    )
    op.create_index("ix_standings_updated", "standings", ["competition_id", "evaluation", "updated_at"])
    op.drop_index("ix_scores_competition", table_name="scores")


def downgrade() -> None:
    op.execute("DELETE FROM tallies WHERE name LIKE 'ended/%'")
    op.create_index("ix_scores_competition", "scores", ["competition_id"])
    op.drop_index("ix_standings_updated", table_name="standings")
    with op.batch_alter_table("teams") as table:
        table.drop_column("submissions")
