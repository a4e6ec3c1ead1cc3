"""Corrections of records, each in a row of its own: the records themselves stay as they are."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from attendance.db import UtcTime

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "correction",
        sa.Column("attendance_id", _WHOLE, autoincrement=False, nullable=False),
        sa.Column("replaced_by", _WHOLE, nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("corrected_at", UtcTime(), nullable=False),
        sa.Column("key_id", _WHOLE, nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.CheckConstraint("replaced_by > attendance_id", name=op.f("ck_correction_leads_on")),
        _record_in("attendance_id"),
        _record_in("replaced_by"),
        sa.PrimaryKeyConstraint("attendance_id", name=op.f("pk_correction")),
        sa.UniqueConstraint("replaced_by", name=op.f("uq_correction_replaced_by")),
    )


def downgrade() -> None:
    op.drop_table("correction")


def _record_in(column: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_correction_{column}_attendance")
    return sa.ForeignKeyConstraint([column], ["attendance.id"], name=name)
