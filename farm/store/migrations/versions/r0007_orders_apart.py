"""What decides a video and who asks for it stand apart: preset and exports in columns of their own."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

EXPORT = ("exporter", "mp4_crf", "output_fps", "frame_interpolation")
JOBS = sa.table(
    "jobs", *(sa.column(name) for name in ("id", "request")), sa.column("preset"), sa.column("exports", sa.JSON)
)


def upgrade() -> None:
    op.add_column("jobs", sa.Column("preset", sa.String(80), nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("exports", sa.JSON, nullable=False, server_default="[{}]"))
    connection = op.get_bind()
    found = connection.execute(sa.select(JOBS.c.id, JOBS.c.request)).all()
    values = [{"of_job": job_id, **_columns(text)} for job_id, text in found]
    if values:
        changed = sa.update(JOBS).where(JOBS.c.id == sa.bindparam("of_job"))
        connection.execute(changed.values(preset=sa.bindparam("preset"), exports=sa.bindparam("exports")), values)


def _columns(text: str) -> dict[str, Any]:
    """Those of a job whose request can't be read get the defaults; it stays unreadable for what is in it."""
    try:
        fields = json.loads(text)
    except ValueError:
        fields = {}
    fields = fields if isinstance(fields, dict) else {}
    export = {name: fields[name] for name in EXPORT if name in fields}
    return {"preset": str(fields.get("preset", ""))[:80], "exports": [export]}


def downgrade() -> None:
    with op.batch_alter_table("jobs") as table:
        table.drop_column("exports")
        table.drop_column("preset")
