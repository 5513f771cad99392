"""When each team's best score rose; ended submissions counted by competition; indexes for the host's pages."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
SCORES = sa.text(
    "SELECT submissions.team_id, submissions.evaluation, scores.final_score, "
    "coalesce(submissions.finished_at, scores.created_at) AS scored_at "
    "FROM scores JOIN submissions "
    "ON submissions.id = scores.submission_id AND submissions.generation = scores.generation "
    "WHERE submissions.disqualified_reason IS NULL ORDER BY scored_at, scores.id"
).columns(
    sa.column("team_id", sa.Uuid()), sa.column("evaluation", sa.String()), sa.column("final_score", sa.Float()),
    sa.column("scored_at", sa.DateTime(timezone=True)),
)  # fmt: skip


def upgrade() -> None:
    with op.batch_alter_table("standings") as table:
        table.add_column(sa.Column("rises", JSON, nullable=False, server_default="[]"))
    op.create_index("ix_submissions_competition_created", "submissions", ["competition_id", "created_at"])
    op.create_index("ix_scores_best", "scores", ["competition_id", "evaluation", "final_score"])
    op.execute(
        "INSERT INTO tallies (name, process, value) "
        "SELECT 'state/' || replace(CAST(competition_id AS TEXT), '-', '') || '/' || state, 'before', count(*) "
        "FROM submissions WHERE state IN ('scored', 'failed', 'cancelled') GROUP BY competition_id, state"
    )
    rises: dict[tuple[Any, str], list[list[Any]]] = {}
    for team_id, evaluation, score, scored_at in op.get_bind().execute(SCORES):
        known = rises.setdefault((team_id, evaluation), [])
        if not known or score > known[-1][1]:
            known.append([_utc(scored_at).isoformat(), score])
    standings = sa.table(
        "standings", sa.column("team_id", sa.Uuid()), sa.column("evaluation", sa.String()), sa.column("rises", JSON)
    )
    for (team_id, evaluation), known in rises.items():
        op.execute(
            standings.update()
            .where(standings.c.team_id == team_id, standings.c.evaluation == evaluation)
            .values(rises=known)
        )


def downgrade() -> None:
    op.execute("DELETE FROM tallies WHERE name LIKE 'state/%'")
    op.drop_index("ix_scores_best", table_name="scores")
    op.drop_index("ix_submissions_competition_created", table_name="submissions")
    with op.batch_alter_table("standings") as table:
        table.drop_column("rises")


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
