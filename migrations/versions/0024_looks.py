"""What looks found of a submission, and after how many runs one of them stopped it. Old submissions ran whole."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    looks = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.add_column("submissions", sa.Column("looks", looks, nullable=True))
    op.add_column("submissions", sa.Column("stopped_after", sa.Integer(), nullable=True))
    op.add_column("submissions", sa.Column("runs_whole", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("submissions", sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True))
