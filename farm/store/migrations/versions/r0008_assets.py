"""What a job's tasks read on a node's disk, what nodes say that they have, and what is brought to them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("assets", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("nodes", sa.Column("report", sa.JSON, nullable=False, server_default="{}"))
    op.create_table(
        "pushes",
        sa.Column("host", sa.String(200), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("digest", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("total", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("message", sa.Text, nullable=False, server_default=""),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("pushes")
    for table, column in (("nodes", "report"), ("jobs", "assets")):
        with op.batch_alter_table(table) as batch:
            batch.drop_column(column)
