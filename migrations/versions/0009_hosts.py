"""Several hosts: their dispatchers' signs of life, and on PostgreSQL word of new work."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from attendance.db.base import UtcTime

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# Told at the commit, which queues for one lock of the whole server: only where a lane had nothing
# to do, and never for a message behind others.
_TELL = """CREATE FUNCTION chat_due_tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_notify('attendance_due', '');
    RETURN NULL;
END $$"""
_WHEN = """AFTER UPDATE OF ready_at, parked_at ON chat FOR EACH ROW
    WHEN (NEW.ready_at IS NOT NULL AND NEW.parked_at IS NULL
    AND (OLD.ready_at IS NULL OR OLD.parked_at IS NOT NULL))"""


def upgrade() -> None:
    _create_dispatcher()
    if op.get_context().dialect.name == "postgresql":
        op.execute(_TELL)
        op.execute(f"CREATE TRIGGER chat_due_after_update {_WHEN} EXECUTE FUNCTION chat_due_tell()")


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION chat_due_tell CASCADE")
    op.drop_table("dispatcher")


def _create_dispatcher() -> None:
    op.create_table(
        "dispatcher",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("beaten_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_dispatcher")),
    )
