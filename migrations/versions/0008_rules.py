"""Phases, final evaluations, selections, disqualification, announcements and boards that are read by page."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
METRIC_COLUMNS = ("final_score", "interval_low", "interval_high", "forgetting_quality", "retain_ratio", "test_ratio")


def upgrade() -> None:
    with op.batch_alter_table("competitions") as table:
        for name in ("public_starts_at", "public_ends_at", "final_ends_at", "paused_at"):
            table.add_column(sa.Column(name, TIME, nullable=True))
        table.add_column(sa.Column("finals_started_at", TIME, nullable=True))
        table.add_column(sa.Column("final_secret", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("revealed_at", TIME, nullable=True))
        table.add_column(sa.Column("board_version", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("teams") as table:
        table.add_column(sa.Column("is_baseline", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.add_column(sa.Column("disqualified_reason", sa.String(length=500), nullable=True))
    with op.batch_alter_table("submissions") as table:
        table.add_column(sa.Column("evaluation", sa.String(length=8), nullable=False, server_default="public"))
        table.add_column(sa.Column("origin_id", sa.Uuid(), nullable=True))
        table.add_column(sa.Column("fault_stage", sa.String(length=8), nullable=True))
        table.add_column(sa.Column("runs_shown", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("runs_shown_at", TIME, nullable=True))
        table.add_column(sa.Column("selected_at", TIME, nullable=True))
        table.add_column(sa.Column("disqualified_reason", sa.String(length=500), nullable=True))
        table.create_foreign_key(op.f("fk_submissions_origin_id_submissions"), "submissions", ["origin_id"], ["id"])
        table.create_unique_constraint(op.f("uq_submissions_origin_id"), ["origin_id"])
        table.create_check_constraint(
            op.f("ck_submissions_final_has_origin"), "(evaluation = 'final') = (origin_id IS NOT NULL)"
        )
    with op.batch_alter_table("scores") as table:
        table.add_column(sa.Column("evaluation", sa.String(length=8), nullable=False, server_default="public"))
        table.drop_constraint("uq_scores_competition_id_reference", type_="unique")
        table.create_unique_constraint(
            op.f("uq_scores_competition_id_evaluation_reference"), ["competition_id", "evaluation", "reference"]
        )
        table.create_check_constraint(
            op.f("ck_scores_finite"), " AND ".join(f"{name} BETWEEN -1e300 AND 1e300" for name in METRIC_COLUMNS)
        )
    op.drop_table("standings")
    op.create_table(
        "standings",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("evaluation", sa.String(length=8), nullable=False),
        sa.Column("competition_id", sa.Uuid(), nullable=False),
        sa.Column("score_id", sa.Uuid(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("last_scored_at", TIME, nullable=True),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["competition_id"], ["competitions.id"], name=op.f("fk_standings_competition_id_competitions")
        ),
        sa.ForeignKeyConstraint(["score_id"], ["scores.id"], name=op.f("fk_standings_score_id_scores")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_standings_team_id_teams")),
        sa.PrimaryKeyConstraint("team_id", "evaluation", name=op.f("pk_standings")),
    )
    op.create_index("ix_standings_board", "standings", ["competition_id", "evaluation", "position"])
    op.create_table(
        "announcements",
        sa.Column("competition_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["competition_id"], ["competitions.id"], name=op.f("fk_announcements_competition_id_competitions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcements")),
    )
    op.create_index("ix_announcements_competition_created", "announcements", ["competition_id", "created_at"])


def downgrade() -> None:
    op.drop_table("announcements")
    op.drop_table("standings")
    op.create_table(
        "standings",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("competition_id", sa.Uuid(), nullable=False),
        sa.Column("score_id", sa.Uuid(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["competition_id"], ["competitions.id"]),
        sa.ForeignKeyConstraint(["score_id"], ["scores.id"]),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"]),
        sa.PrimaryKeyConstraint("team_id"),
    )
    op.create_index(op.f("ix_standings_competition_id"), "standings", ["competition_id"])
    with op.batch_alter_table("scores") as table:
        table.drop_constraint(op.f("ck_scores_finite"), type_="check")
        table.drop_constraint(op.f("uq_scores_competition_id_evaluation_reference"), type_="unique")
        table.create_unique_constraint("uq_scores_competition_id_reference", ["competition_id", "reference"])
        table.drop_column("evaluation")
    with op.batch_alter_table("submissions") as table:
        table.drop_constraint(op.f("ck_submissions_final_has_origin"), type_="check")
        table.drop_constraint(op.f("uq_submissions_origin_id"), type_="unique")
        table.drop_constraint(op.f("fk_submissions_origin_id_submissions"), type_="foreignkey")
        for name in ("evaluation", "origin_id", "fault_stage", "runs_shown", "runs_shown_at", "selected_at"):
            table.drop_column(name)
        table.drop_column("disqualified_reason")
    with op.batch_alter_table("teams") as table:
        table.drop_column("disqualified_reason")
        table.drop_column("is_baseline")
    with op.batch_alter_table("competitions") as table:
        for name in ("public_starts_at", "public_ends_at", "final_ends_at", "paused_at"):
            table.drop_column(name)
        for name in ("finals_started_at", "final_secret", "revealed_at", "board_version"):
            table.drop_column(name)
