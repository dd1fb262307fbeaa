"""Facts in rows: what scheduling and showing need is written when it is known, and never asked of a model again.

Jobs of earlier versions get what their rows tell: the family from the request, chains from the task graph. Their plans
stay unknown.
"""

import json
from collections import defaultdict
from graphlib import TopologicalSorter

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WORK = {"encode": 0.3, "section": 1.0, "decode": 0.12, "export": 0.1}
"""Of tasks of earlier versions, in units of a section."""


def upgrade() -> None:
    op.add_column("jobs", sa.Column("request_version", sa.Integer, nullable=False, server_default="1"))
    op.add_column("jobs", sa.Column("family", sa.String(80), nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("plan", sa.JSON, nullable=False, server_default="{}"))
    op.add_column("jobs", sa.Column("parent", sa.String(64), nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("kept", sa.JSON, nullable=False, server_default="[]"))
    op.create_index("ix_jobs_parent", "jobs", ["parent"])
    op.add_column("tasks", sa.Column("work", sa.Float, nullable=False, server_default="1"))
    op.add_column("tasks", sa.Column("chain", sa.Float, nullable=False, server_default="1"))
    op.add_column("tasks", sa.Column("key", sa.String(64), nullable=False, server_default=""))
    op.create_index("ix_tasks_key", "tasks", ["key"])
    op.add_column("tasks", sa.Column("not_before", sa.DateTime(timezone=True)))
    op.add_column("attempts", sa.Column("device_class", sa.String(100), nullable=False, server_default=""))
    op.add_column("attempts", sa.Column("device", sa.String(100), nullable=False, server_default=""))
    op.add_column("attempts", sa.Column("facts", sa.JSON, nullable=False, server_default="{}"))
    op.create_table(
        "owners",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("weight", sa.Float, nullable=False, server_default="1"),
        sa.Column("used", sa.Float, nullable=False, server_default="0"),
        sa.Column("task_limit", sa.Integer),
    )
    connection = op.get_bind()
    jobs = sa.table("jobs", sa.column("id"), sa.column("request"), sa.column("family"))
    for row in connection.execute(sa.select(jobs.c.id, jobs.c.request)).all():
        connection.execute(sa.update(jobs).where(jobs.c.id == row.id).values(family=_family(row.request)))
        _weigh(connection, row.id)


def downgrade() -> None:
    op.drop_table("owners")
    op.drop_index("ix_tasks_key", "tasks")
    op.drop_index("ix_jobs_parent", "jobs")
    for table, columns in (
        ("attempts", ("facts", "device", "device_class")),
        ("tasks", ("not_before", "key", "chain", "work")),
        ("jobs", ("kept", "parent", "plan", "family", "request_version")),
    ):
        with op.batch_alter_table(table) as batch:
            for column in columns:
                batch.drop_column(column)


def _family(request: str) -> str:
    try:
        return str(json.loads(request).get("model_type", "puppet"))
    except (ValueError, AttributeError):
        return ""


def _weigh(connection: sa.Connection, job_id: str) -> None:
    tasks = sa.table("tasks", *[sa.column(name) for name in ("id", "job_id", "kind", "work", "chain")])
    needs = sa.table("dependencies", sa.column("task_id"), sa.column("needs_id"))
    kinds = {r.id: r.kind for r in connection.execute(sa.select(tasks).where(tasks.c.job_id == job_id))}
    after: dict[str, list[str]] = defaultdict(list)
    edges = sa.select(needs).join(tasks, tasks.c.id == needs.c.task_id).where(tasks.c.job_id == job_id)
    for row in connection.execute(edges):
        after[row.needs_id].append(row.task_id)
    chain: dict[str, float] = {}
    for task in TopologicalSorter({task: after[task] for task in kinds}).static_order():
        chain[task] = WORK.get(kinds[task], 1.0) + max((chain[later] for later in after[task]), default=0.0)
    for task, kind in kinds.items():
        values = {"work": WORK.get(kind, 1.0), "chain": chain[task]}
        connection.execute(sa.update(tasks).where(tasks.c.id == task).values(**values))
