"""The first tables: jobs, tasks, dependencies, attempts, artifacts, events, replicas."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_EVENT_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _owned_by(table: str, column: str, length: int, *, primary_key: bool = False) -> sa.Column[str]:
    key = sa.ForeignKey(f"{table}.id", ondelete="CASCADE")
    return sa.Column(column, sa.String(length), key, nullable=False, primary_key=primary_key)


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("plan_digest", sa.String(64), nullable=False),
        sa.Column("idempotency_key", sa.String(200), unique=True),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("finished_at", _TIME),
    )
    op.create_index("ix_jobs_state", "jobs", ["state", "priority", "created_at"])
    op.create_index("ix_jobs_created", "jobs", ["created_at"])

    op.create_table(
        "tasks",
        sa.Column("id", sa.String(100), primary_key=True),
        _owned_by("jobs", "job_id", 64),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("section", sa.Integer),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.UniqueConstraint("job_id", "name", name="uq_tasks_name"),
    )
    op.create_index("ix_tasks_job_state", "tasks", ["job_id", "state"])
    op.create_index("ix_tasks_state", "tasks", ["state"])

    op.create_table(
        "dependencies",
        _owned_by("tasks", "task_id", 100, primary_key=True),
        _owned_by("tasks", "needs_id", 100, primary_key=True),
    )
    op.create_index("ix_dependencies_needs", "dependencies", ["needs_id"])

    op.create_table(
        "attempts",
        sa.Column("id", sa.String(64), primary_key=True),
        _owned_by("jobs", "job_id", 64),
        _owned_by("tasks", "task_id", 100),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("replica", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("failure", sa.String(16)),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("steps", sa.Integer, nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME),
        sa.UniqueConstraint("task_id", "number", name="uq_attempts_number"),
    )
    running = sa.text("state = 'running'")
    op.create_index(
        "uq_attempts_current", "attempts", ["task_id"], unique=True, sqlite_where=running, postgresql_where=running
    )
    op.create_index("ix_attempts_job", "attempts", ["job_id"])
    op.create_index("ix_attempts_state", "attempts", ["state"])

    op.create_table(
        "artifacts",
        _owned_by("jobs", "job_id", 64, primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("media_type", sa.String(100), nullable=False),
    )

    op.create_table(
        "events",
        sa.Column("id", _EVENT_ID, primary_key=True, autoincrement=True),
        _owned_by("jobs", "job_id", 64),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_job", "events", ["job_id", "id"])

    op.create_table(
        "replicas",
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("node", sa.String(200), nullable=False),
        sa.Column("device", sa.String(100), nullable=False),
        sa.Column("device_class", sa.String(100), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
    )


def downgrade() -> None:
    for table in ("replicas", "events", "artifacts", "attempts", "dependencies", "tasks", "jobs"):
        op.drop_table(table)
