"""When everything that was made of a competition's photographs was deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("competitions", sa.Column("photographs_deleted_at", sa.DateTime(timezone=True), nullable=True))
