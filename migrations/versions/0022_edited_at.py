"""When a competition was edited last."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("competitions", sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True))
