"""What was left out of uploaded notebooks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("submissions", sa.Column("notes", JSON, nullable=True))


def downgrade() -> None:
    op.drop_column("submissions", "notes")
