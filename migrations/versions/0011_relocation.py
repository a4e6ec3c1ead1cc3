"""Where a database has gone, or where its content is coming from: see `manage.py db move`."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from attendance.db.base import UtcTime

revision: str = "0011"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "relocation",
        sa.Column("move", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('leaving', 'moved', 'arriving', 'arrived')",
            name=op.f("ck_relocation_state"),
        ),
        sa.CheckConstraint(
            "(state IN ('moved', 'arrived')) = (ended_at IS NOT NULL)",
            name=op.f("ck_relocation_ended_at"),
        ),
        sa.PrimaryKeyConstraint("move", name=op.f("pk_relocation")),
    )


def downgrade() -> None:
    op.drop_table("relocation")
