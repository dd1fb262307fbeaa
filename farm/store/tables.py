"""The tables. A change here needs a migration in ``migrations/versions``; a test compares the two."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite stores it without its zone, so the zone is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _job_id() -> Column[str]:
    return Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False)


metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("owner", String(80), nullable=False),
    Column("name", String(120), nullable=False),
    Column("prompt", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("batch", String(80), nullable=False, server_default=""),
    Column("rank", Float, nullable=False, server_default="0"),
    Column("request", Text, nullable=False),
    Column("request_version", Integer, nullable=False, server_default="1"),
    Column("family", String(80), nullable=False, server_default=""),
    Column("plan", JSON, nullable=False, server_default="{}"),
    Column("parent", String(64), nullable=False, server_default=""),
    Column("kept", JSON, nullable=False, server_default="[]"),
    Column("deadline", UtcDateTime),
    Column("mixing", Boolean, nullable=False, server_default=false()),
    Column("labels", JSON, nullable=False, server_default="[]"),
    Column("needs", JSON, nullable=False, server_default="{}"),
    Column("preset", String(80), nullable=False, server_default=""),
    Column("full", JSON, nullable=False, server_default="{}"),
    Column("exports", JSON, nullable=False, server_default="[{}]"),
    Column("shots", JSON, nullable=False, server_default="[]"),
    Column("storyboard", JSON, nullable=False, server_default="{}"),
    Column("assets", JSON, nullable=False, server_default="[]"),
    Column("plan_digest", String(64), nullable=False),
    Column("idempotency_key", String(200), unique=True),
    Column("error", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("idle_since", UtcDateTime),
    Column("idle_seconds", Float, nullable=False, server_default="0"),
    Index("ix_jobs_state", "state", "priority", "created_at"),
    Index("ix_jobs_created", "created_at"),
    Index("ix_jobs_parent", "parent"),
    Index("ix_jobs_batch", "batch"),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(100), primary_key=True),
    _job_id(),
    Column("position", Integer, nullable=False),
    Column("name", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("section", Integer),
    Column("state", String(16), nullable=False),
    Column("failures", Integer, nullable=False),
    Column("remade", Integer, nullable=False, server_default="0"),
    Column("work", Float, nullable=False, server_default="1"),
    Column("chain", Float, nullable=False, server_default="1"),
    Column("key", String(64), nullable=False, server_default=""),
    Column("chosen", Integer),
    Column("not_before", UtcDateTime),
    Column("reason", Text, nullable=False),
    UniqueConstraint("job_id", "name", name="uq_tasks_name"),
    Index("ix_tasks_job_state", "job_id", "state"),
    Index("ix_tasks_state", "state"),
    Index("ix_tasks_key", "key"),
)

dependencies = Table(
    "dependencies",
    metadata,
    Column("task_id", String(100), ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("needs_id", String(100), ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_dependencies_needs", "needs_id"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", String(64), primary_key=True),
    _job_id(),
    Column("task_id", String(100), ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("replica", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("failure", String(16)),
    Column("message", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("device_class", String(100), nullable=False, server_default=""),
    Column("device", String(100), nullable=False, server_default=""),
    Column("facts", JSON, nullable=False, server_default="{}"),
    UniqueConstraint("task_id", "number", name="uq_attempts_number"),
    # The fence: a task has at most one current attempt, whatever the code above the database does.
    Index(
        "uq_attempts_current",
        "task_id",
        unique=True,
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
    Index("ix_attempts_job", "job_id"),
    Index("ix_attempts_state", "state"),
    Index("ix_attempts_finished", "finished_at"),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("key", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("media_type", String(100), nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    _job_id(),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("message", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Index("ix_events_job", "job_id", "id"),
    sqlite_autoincrement=True,
)

owners = Table(
    "owners",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("weight", Float, nullable=False, server_default="1"),
    Column("used", Float, nullable=False, server_default="0"),
    Column("task_limit", Integer),
    Column("changed", BigInteger, nullable=False, server_default="0"),
)

nodes = Table(
    "nodes",
    metadata,
    Column("host", String(200), primary_key=True),
    # what people want of it
    Column("drain", JSON),
    Column("seats", JSON, nullable=False, server_default="{}"),
    Column("labels", JSON, nullable=False, server_default="[]"),
    Column("hours", String(20), nullable=False, server_default=""),
    Column("max_replicas", Integer),
    Column("changed", BigInteger, nullable=False, server_default="0"),
    # what its present incarnation is
    Column("id", String(200), nullable=False, server_default=""),
    Column("address", String(200), nullable=False, server_default=""),
    Column("state", String(16), nullable=False, server_default="gone"),
    Column("message", Text, nullable=False, server_default=""),
    Column("cores", Integer, nullable=False, server_default="0"),
    Column("memory", BigInteger, nullable=False, server_default="0"),
    Column("devices", JSON, nullable=False, server_default="[]"),
    Column("report", JSON, nullable=False, server_default="{}"),
    Column("seen_at", UtcDateTime),
    Index("ix_nodes_changed", "changed"),
)

pushes = Table(
    "pushes",
    metadata,
    Column("host", String(200), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("digest", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("done", BigInteger, nullable=False, server_default="0"),
    Column("total", BigInteger, nullable=False, server_default="0"),
    Column("message", Text, nullable=False, server_default=""),
    Column("updated_at", UtcDateTime, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("holder", String(80), nullable=False),
    Column("about", String(200), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)

marks = Table(
    "marks",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
"""Up to where somebody has read something, and since when."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("rule", String(60), nullable=False),
    Column("notice", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime),
    Index("ix_deliveries_due", "state", "due_at"),
    Index("ix_deliveries_created", "created_at"),
)
"""What people are told, see ``outbox``."""

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("who", String(80), nullable=False),
    Column("role", String(16), nullable=False),
    Column("what", String(300), nullable=False),
    Column("status", Integer, nullable=False),
    Index("ix_audit_at", "at"),
)

looks = Table(
    "looks",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)
"""When somebody last looked at all of something, in one row however many they are."""

replicas = Table(
    "replicas",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("node", String(200), nullable=False),
    Column("device", String(100), nullable=False),
    Column("device_class", String(100), nullable=False),
    Column("state", String(16), nullable=False),
    Column("message", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("heard", Boolean, nullable=False, server_default=false()),
    Column("host", String(200), nullable=False, server_default=""),
    Column("seat", String(100), nullable=False, server_default=""),
    Column("wanted", String(16), nullable=False, server_default="active"),
    Column("device_name", String(200), nullable=False, server_default=""),
    Column("memory", BigInteger),
    Column("capability", String(16), nullable=False, server_default=""),
    Column("speed", Float),
    Column("expected_speed", Float),
    Column("models", JSON, nullable=False, server_default="[]"),
    Column("loads", JSON, nullable=False, server_default="[]"),
    Column("trouble", Text, nullable=False, server_default=""),
    Column("trouble_at", UtcDateTime),
)
