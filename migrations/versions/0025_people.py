"""What names look like; mails that are to be sent, secrets that were mailed, and what people want to be told."""

import unicodedata
from collections.abc import Callable, Hashable, Iterable
from functools import cache
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

SKELETON_CHARS = 160
# What follows is `skeleton` of accounts/names.py as it was at this revision: later changes of it must not change this.
_IGNORABLE = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip

ALWAYS_JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("users", sa.Column("username_skeleton", sa.String(160), nullable=True))
    op.add_column("teams", sa.Column("name_skeleton", sa.String(160), nullable=True))
    users = sa.table("users", *map(sa.column, ("id", "created_at", "username", "username_skeleton")))
    teams = sa.table("teams", *map(sa.column, ("id", "created_at", "competition_id", "name", "name_skeleton")))
    _store_skeletons(users, "username", lambda _: None)
    _store_skeletons(teams, "name", lambda row: row.competition_id)
    op.create_index("ix_users_username_skeleton", "users", ["username_skeleton"], unique=True)
    op.create_index("ix_teams_competition_skeleton", "teams", ["competition_id", "name_skeleton"], unique=True)
    op.add_column("competitions", sa.Column("closing_told_for", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_team_invites_created_by", "team_invites", ["created_by"])
    op.create_index("ix_audit_events_actor", "audit_events", ["actor"])
    _create_mail_tables()


def _create_mail_tables() -> None:
    op.create_table(
        "outbox_mails",
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("details", ALWAYS_JSON, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_outbox_mails_retry", "outbox_mails", ["retry_at"])
    op.create_index("ix_outbox_mails_user_id", "outbox_mails", ["user_id"])
    op.create_table(
        "mailed_secrets",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(8), nullable=False),
        sa.Column("address", sa.String(254), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("ix_mailed_secrets_user_id", "mailed_secrets", ["user_id"])
    op.create_table(
        "mail_preferences",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notices", ALWAYS_JSON, nullable=False),
        sa.Column("is_daily", sa.Boolean(), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id"),
        sa.UniqueConstraint("key"),
    )


def _store_skeletons(table: sa.TableClause, name: str, scope: Callable[[sa.Row[Any]], Hashable]) -> None:
    """Store what each name looks like; of several in one scope that look the same, the oldest has the look."""
    taken: set[tuple[Hashable, str]] = set()
    rows: Iterable[sa.Row[Any]] = op.get_bind().execute(sa.select(table).order_by(table.c.created_at, table.c.id)).all()
    for row in rows:
        look = _skeleton(getattr(row, name))
        if len(look) > SKELETON_CHARS or (scope(row), look) in taken:
            continue
        taken.add((scope(row), look))
        op.execute(sa.update(table).where(table.c.id == row.id).values({f"{name}_skeleton": look}))


def _skeleton(name: str) -> str:
    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", name))
    prototypes = _prototypes()
    replaced = "".join(prototypes.get(one, one) for one in _seen(decomposed))
    return unicodedata.normalize("NFD", replaced).casefold()


@cache
def _prototypes() -> dict[str, str]:
    from confusable_homoglyphs.confusables import confusables_data

    others = {_seen(key): [_seen(entry["c"]) for entry in entries] for key, entries in confusables_data.items()}

    def rank(text: str) -> tuple[int, int, str]:
        return -len(text), -len(others.get(text, ())), text

    nearest = {key: min([key, *similar], key=rank) for key, similar in others.items() if len(key) == 1}
    return {key: "".join(nearest.get(one, one) for one in target) for key, target in nearest.items() if key != target}


def _seen(text: str) -> str:
    return "".join(one for one in text if not any(first <= ord(one) <= last for first, last in _IGNORABLE))
