"""Which attendances a chat is told of."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from attendance.db.base import WHOLE, UtcTime

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    _create_route()


def downgrade() -> None:
    op.drop_table("route")


def _create_route() -> None:
    op.create_table(
        "route",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("chat_id", sa.String(length=64), nullable=False),
        sa.Column("thread_id", WHOLE, nullable=True),
        sa.Column("site", sa.String(length=128), nullable=True),
        sa.Column("group_name", sa.String(length=128), nullable=True),
        sa.Column("event", sa.String(length=16), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.CheckConstraint(
            "event IN ('check_in', 'check_out', 'break_start', 'break_end', "
            "'present', 'absent', 'late', 'leave')",
            name=op.f("ck_route_event"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_route")),
        sqlite_autoincrement=True,
    )
