"""Workers register; work items know their competition, team and turn; submissions have a deadline."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)
GRACE = timedelta(days=7)  # for what was accepted before there were deadlines


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("worker_key_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("capabilities", JSON, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("left_at", TIME, nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["worker_key_id"], ["worker_keys.id"], name=op.f("fk_workers_worker_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
        sa.UniqueConstraint("worker_key_id", "name", name=op.f("uq_workers_worker_key_id_name")),
    )
    _add_and_fill()
    with op.batch_alter_table("competitions", schema=None) as batch_op:
        batch_op.alter_column("checks_served_at", existing_type=TIME, nullable=False)
        batch_op.alter_column("runs_served_at", existing_type=TIME, nullable=False)
    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.alter_column("deadline_at", existing_type=TIME, nullable=False)
        batch_op.create_index("ix_submissions_state_deadline", ["state", "deadline_at"], unique=False)
    with op.batch_alter_table("work_items", schema=None) as batch_op:
        batch_op.alter_column("competition_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.alter_column("team_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.alter_column("turn", existing_type=sa.BigInteger(), nullable=False)
        batch_op.alter_column("losses", existing_type=sa.Integer(), nullable=False)
        batch_op.create_index("ix_work_items_done", ["stage", "done_at"], unique=False)
        batch_op.create_index("ix_work_items_team_turn", ["team_id", "stage", "turn"], unique=False)
        batch_op.create_index(
            "ix_work_items_turn", ["competition_id", "stage", "state", "turn", "created_at"], unique=False
        )
        batch_op.create_foreign_key(batch_op.f("fk_work_items_team_id"), "teams", ["team_id"], ["id"])
        batch_op.create_foreign_key(
            batch_op.f("fk_work_items_competition_id"), "competitions", ["competition_id"], ["id"]
        )


def _add_and_fill() -> None:
    added: dict[str, dict[str, sa.types.TypeEngine[Any]]] = {
        "competitions": {"checks_served_at": TIME, "runs_served_at": TIME},
        "submissions": {"deadline_at": TIME},
        "work_items": {
            "competition_id": sa.Uuid(),
            "team_id": sa.Uuid(),
            "turn": sa.BigInteger(),
            "losses": sa.Integer(),
            "claimed_at": TIME,
        },
    }
    for table, columns in added.items():
        for name, kind in columns.items():
            op.add_column(table, sa.Column(name, kind, nullable=True))
    competitions, submissions, items = (
        sa.table(name, *(sa.column(column) for column in columns))
        for name, columns in {
            "competitions": ("created_at", "checks_served_at", "runs_served_at"),
            "submissions": ("id", "competition_id", "team_id", "deadline_at"),
            "work_items": ("submission_id", "competition_id", "team_id", "turn", "losses", "first_run"),
        }.items()
    )
    created_at = competitions.c.created_at
    op.execute(competitions.update().values(checks_served_at=created_at, runs_served_at=created_at))
    deadline_at = sa.literal(datetime.now(UTC) + GRACE, TIME)
    op.execute(submissions.update().values(deadline_at=deadline_at))
    owners = {
        name: sa.select(submissions.c[name]).where(submissions.c.id == items.c.submission_id).scalar_subquery()
        for name in ("competition_id", "team_id")
    }
    op.execute(items.update().values(turn=items.c.first_run, losses=0, **owners))


def downgrade() -> None:
    with op.batch_alter_table("work_items", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_work_items_competition_id"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("fk_work_items_team_id"), type_="foreignkey")
        for name in ("turn", "team_turn", "done"):
            batch_op.drop_index(f"ix_work_items_{name}")
        for name in ("claimed_at", "losses", "turn", "team_id", "competition_id"):
            batch_op.drop_column(name)
    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.drop_index("ix_submissions_state_deadline")
        batch_op.drop_column("deadline_at")
    with op.batch_alter_table("competitions", schema=None) as batch_op:
        batch_op.drop_column("runs_served_at")
        batch_op.drop_column("checks_served_at")
    op.drop_table("workers")
