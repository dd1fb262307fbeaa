"""Jobs that were queued together."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("batch", sa.String(80), nullable=False, server_default=""))
    op.create_index("ix_jobs_batch", "jobs", ["batch"])


def downgrade() -> None:
    op.drop_index("ix_jobs_batch", "jobs")
    with op.batch_alter_table("jobs") as table:
        table.drop_column("batch")
