"""Which take a judged section is."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("chosen", sa.Integer))


def downgrade() -> None:
    with op.batch_alter_table("tasks") as table:
        table.drop_column("chosen")
