"""What is recorded, by whose key, and the answers that were given."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from attendance.db.base import WHOLE, UtcTime, only_where

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    _create_api_key()
    _create_attendance()
    _create_client_event()
    _create_idempotency_key()
    _create_service_secret()


def downgrade() -> None:
    op.drop_table("service_secret")
    op.drop_table("idempotency_key")
    op.drop_table("client_event")
    op.drop_table("attendance")
    op.drop_table("api_key")


def _create_api_key() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("lineage", WHOLE, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("last_used_at", UtcTime(), nullable=True),
        sa.Column("revoked_at", UtcTime(), nullable=True),
        sa.CheckConstraint(
            "role IN ('frontend', 'admin', 'auditor')", name=op.f("ck_api_key_role")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_key_key_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_api_key_name_live",
        "api_key",
        ["name"],
        unique=True,
        **only_where("revoked_at IS NULL"),
    )


def _create_attendance() -> None:
    op.create_table(
        "attendance",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("person_id", sa.String(length=128), nullable=False),
        sa.Column("person_name", sa.String(length=200), nullable=True),
        sa.Column("event", sa.String(length=16), nullable=False),
        sa.Column("occurred_at", UtcTime(), nullable=False),
        sa.Column("received_at", UtcTime(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=False),
        sa.Column("site", sa.String(length=128), nullable=True),
        sa.Column("group_name", sa.String(length=128), nullable=True),
        sa.Column("device", sa.String(length=128), nullable=True),
        sa.Column("note", sa.String(length=1000), nullable=True),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("accuracy_m", sa.Double(), nullable=True),
        sa.Column("client_event_id", sa.String(length=128), nullable=True),
        sa.Column("key_lineage", WHOLE, nullable=False),
        sa.Column("key_id", WHOLE, nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "event IN ('check_in', 'check_out', 'break_start', 'break_end', "
            "'present', 'absent', 'late', 'leave')",
            name=op.f("ck_attendance_event"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attendance")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_attendance_occurred_at", "attendance", ["occurred_at", "id"])
    op.create_index("ix_attendance_person", "attendance", ["person_id", "occurred_at", "id"])


def _create_client_event() -> None:
    op.create_table(
        "client_event",
        sa.Column("key_lineage", WHOLE, nullable=False),
        sa.Column("client_event_id", sa.String(length=128), nullable=False),
        sa.Column("attendance_id", WHOLE, nullable=False),
        sa.Column("occurred_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["attendance_id"],
            ["attendance.id"],
            name=op.f("fk_client_event_attendance_id_attendance"),
        ),
        sa.PrimaryKeyConstraint("key_lineage", "client_event_id", name=op.f("pk_client_event")),
        sqlite_with_rowid=False,
    )


def _create_idempotency_key() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("key_lineage", WHOLE, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", WHOLE, nullable=False),
        sa.Column("location", sa.String(length=255), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("key_lineage", "key", name=op.f("pk_idempotency_key")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_idempotency_key_created_at"), "idempotency_key", ["created_at"])


def _create_service_secret() -> None:
    op.create_table(
        "service_secret",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.String(length=128), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_service_secret")),
    )
