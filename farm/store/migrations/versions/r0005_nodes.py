"""Nodes with what people want of them, more about replicas, and what a job asks of a device."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def _text(name: str, size: int, default: str = "") -> "sa.Column[str]":
    return sa.Column(name, sa.String(size), nullable=False, server_default=default)


def _json(name: str, default: str) -> "sa.Column[object]":
    return sa.Column(name, sa.JSON, nullable=False, server_default=default)


def _changed() -> "sa.Column[int]":
    return sa.Column("changed", sa.BigInteger, nullable=False, server_default="0")


def upgrade() -> None:
    op.create_table(
        "nodes",
        sa.Column("host", sa.String(200), primary_key=True),
        sa.Column("drain", sa.JSON),
        _json("seats", "{}"),
        _json("labels", "[]"),
        _text("hours", 20),
        sa.Column("max_replicas", sa.Integer),
        _changed(),
        _text("id", 200),
        _text("address", 200),
        _text("state", 16, "gone"),
        sa.Column("message", sa.Text, nullable=False, server_default=""),
        sa.Column("cores", sa.Integer, nullable=False, server_default="0"),
        sa.Column("memory", sa.BigInteger, nullable=False, server_default="0"),
        _json("devices", "[]"),
        sa.Column("seen_at", MOMENT),
    )
    op.create_index("ix_nodes_changed", "nodes", ["changed"])
    op.add_column("owners", _changed())
    op.add_column("jobs", _json("labels", "[]"))
    op.add_column("jobs", _json("needs", "{}"))
    op.create_index("ix_attempts_finished", "attempts", ["finished_at"])
    for column in (
        _text("host", 200),
        _text("seat", 100),
        _text("wanted", 16, "active"),
        _text("device_name", 200),
        sa.Column("memory", sa.BigInteger),
        _text("capability", 16),
        sa.Column("speed", sa.Float),
        sa.Column("expected_speed", sa.Float),
        _json("models", "[]"),
        _json("loads", "[]"),
        sa.Column("trouble", sa.Text, nullable=False, server_default=""),
        sa.Column("trouble_at", MOMENT),
    ):
        op.add_column("replicas", column)


OF_REPLICAS = "trouble_at trouble loads models expected_speed speed capability memory device_name wanted seat host"


def downgrade() -> None:
    op.drop_index("ix_attempts_finished", "attempts")
    op.drop_table("nodes")
    for table, columns in (("replicas", OF_REPLICAS.split()), ("jobs", ("needs", "labels")), ("owners", ("changed",))):
        with op.batch_alter_table(table) as batch:
            for column in columns:
                batch.drop_column(column)
