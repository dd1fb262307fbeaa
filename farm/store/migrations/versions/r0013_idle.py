"""How long jobs were paused, or had ended before they were tried again."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("idle_since", sa.DateTime(timezone=True)))
    op.add_column("jobs", sa.Column("idle_seconds", sa.Float, nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("jobs") as table:
        table.drop_column("idle_seconds")
        table.drop_column("idle_since")
