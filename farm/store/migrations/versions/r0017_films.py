"""The shots of films, and the storyboards that they were made of."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("shots", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("jobs", sa.Column("storyboard", sa.JSON, nullable=False, server_default="{}"))


def downgrade() -> None:
    with op.batch_alter_table("jobs") as table:
        table.drop_column("storyboard")
        table.drop_column("shots")
