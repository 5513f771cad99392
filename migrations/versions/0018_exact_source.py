"""A submission's source is what runs; the digest of what was uploaded stays beside it, to recognise the file again."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("submissions", sa.Column("upload_sha256", sa.String(length=64), nullable=True))
