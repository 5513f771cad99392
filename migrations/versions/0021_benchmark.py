"""Uploads after the reveal on a board of their own; words of teams about submissions, and published sources."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

PUBLISHED = sa.text("licence IS NOT NULL")


def upgrade() -> None:
    op.add_column("competitions", sa.Column("benchmark_secret", sa.String(64), nullable=True))
    op.add_column("competitions", sa.Column("benchmark_started_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("competitions", sa.Column("benchmark_ended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("submissions", sa.Column("method", sa.String(80), nullable=True))
    op.add_column("submissions", sa.Column("note", sa.String(300), nullable=True))
    op.add_column("submissions", sa.Column("link", sa.String(300), nullable=True))
    op.add_column("submissions", sa.Column("licence", sa.String(24), nullable=True))
    op.add_column("submissions", sa.Column("published_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_submissions_published",
        "submissions",
        ["competition_id", "created_at"],
        sqlite_where=PUBLISHED,
        postgresql_where=PUBLISHED,
    )
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no lengths
        for table in ("submissions", "scores", "standings"):
            op.execute(f"ALTER TABLE {table} ALTER COLUMN evaluation TYPE VARCHAR(9)")
