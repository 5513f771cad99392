"""What names look like."""

from collections.abc import Callable, Hashable, Iterable

import sqlalchemy as sa
from alembic import op

from lethe.server.accounts.names import SKELETON_CHARS, skeleton

revision = "0027"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("username_skeleton", sa.String(160), nullable=True))
    op.add_column("teams", sa.Column("name_skeleton", sa.String(160), nullable=True))
    users = sa.table("users", *map(sa.column, ("id", "created_at", "username", "username_skeleton")))
    teams = sa.table("teams", *map(sa.column, ("id", "created_at", "competition_id", "name", "name_skeleton")))
    _store_skeletons(users, "username", lambda _: None)
    _store_skeletons(teams, "name", lambda row: row.competition_id)
    op.create_index("ix_users_username_skeleton", "users", ["username_skeleton"], unique=True)
    op.create_index("ix_teams_competition_skeleton", "teams", ["competition_id", "name_skeleton"], unique=True)


def _store_skeletons(table: sa.TableClause, name: str, scope: Callable[[sa.Row], Hashable]) -> None:
    """Store what each name looks like; of several in one scope that look the same, the oldest has the look."""
    taken: set[tuple[Hashable, str]] = set()
    rows: Iterable[sa.Row] = op.get_bind().execute(sa.select(table).order_by(table.c.created_at, table.c.id)).all()
    for row in rows:
        look = skeleton(getattr(row, name))
        if len(look) > SKELETON_CHARS or (scope(row), look) in taken:
            continue
        taken.add((scope(row), look))
        op.execute(sa.update(table).where(table.c.id == row.id).values({f"{name}_skeleton": look}))
