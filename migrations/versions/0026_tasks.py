"""Parts of an evaluation: a chunk and a pack of outputs belong to one, and a score says what each gave."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.add_column("work_items", sa.Column("part", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("output_packs", sa.Column("further", JSON, nullable=True))
    op.add_column("scores", sa.Column("breakdown", JSON, nullable=True))
    op.add_column("former_scores", sa.Column("breakdown", JSON, nullable=True))
