"""Seed rules and forms of submissions, progress shown until the next step, and addresses of former logins."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Rule 1 is what submissions had until now: they keep their seeds, so that a rerun repeats their scores.
    op.add_column("submissions", sa.Column("seed_rule", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("submissions", sa.Column("form_sha256", sa.String(64), nullable=True))
    op.add_column("submissions", sa.Column("shape_sha256", sa.String(64), nullable=True))
    op.add_column("submissions", sa.Column("runs_shown_before", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_submissions_team_form", "submissions", ["team_id", "form_sha256"])
    op.create_index("ix_submissions_team_shape", "submissions", ["team_id", "shape_sha256"])
    op.create_table(
        "known_addresses",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_known_addresses_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name="pk_known_addresses"),
    )
    op.create_index("ix_known_addresses_user_id", "known_addresses", ["user_id"])
