"""Plain names: counters, a competition's prepared data, and the history of a team's best scores."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.rename_table("tallies", "counters")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE counters RENAME CONSTRAINT pk_tallies TO pk_counters")
    op.execute("ALTER TABLE competitions RENAME COLUMN dossier TO prepared")
    op.execute("ALTER TABLE standings RENAME COLUMN rises TO score_history")
