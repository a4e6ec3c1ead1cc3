"""The outbox: messages, attempts, chats as lanes, the pace, and times of stoppage."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from attendance.db.base import WHOLE, UtcTime, only_where

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    _create_outbox()
    _create_outbox_attempt()
    _create_chat()
    _create_outbox_start()
    _create_outbox_stoppage()


def downgrade() -> None:
    op.drop_table("outbox_stoppage")
    op.drop_table("outbox_start")
    op.drop_table("chat")
    op.drop_table("outbox_attempt")
    op.drop_table("outbox")


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("status", sa.String(length=9), nullable=False),
        sa.Column("chat_id", sa.String(length=64), nullable=True),
        sa.Column("lane", sa.String(length=64), nullable=True),
        sa.Column("thread_id", sa.BigInteger(), nullable=True),
        sa.Column("silent", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=True),
        sa.Column("alone", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("digest_id", WHOLE, nullable=True),
        sa.Column("subject_type", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=False),
        sa.Column("give_up_from", UtcTime(), nullable=False),
        sa.Column("attempts", WHOLE, nullable=False),
        sa.Column("uncertain_attempts", WHOLE, nullable=False),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.Column("claimed_by", sa.String(length=128), nullable=True),
        sa.Column("claimed_at", UtcTime(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("sent_at", UtcTime(), nullable=True),
        sa.Column("settled_at", UtcTime(), nullable=True),
        sa.Column("telegram_message_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(status = 'sending') = (token IS NOT NULL)", name=op.f("ck_outbox_token")
        ),
        sa.CheckConstraint(
            "(status = 'sent') = (sent_at IS NOT NULL)", name=op.f("ck_outbox_sent_at")
        ),
        sa.CheckConstraint(
            "(status IN ('pending', 'sending')) = (settled_at IS NULL)",
            name=op.f("ck_outbox_settled_at"),
        ),
        sa.CheckConstraint(
            "status <> 'sending' OR chat_id IS NOT NULL", name=op.f("ck_outbox_chat_id")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'sending', 'sent', 'failed', 'uncertain', 'cancelled')",
            name=op.f("ck_outbox_status"),
        ),
        sa.CheckConstraint("(chat_id IS NULL) = (lane IS NULL)", name=op.f("ck_outbox_lane")),
        sa.CheckConstraint(
            "(token IS NULL) = (claimed_at IS NULL)", name=op.f("ck_outbox_claimed_at")
        ),
        sa.CheckConstraint(
            "attempts >= 0 AND uncertain_attempts >= 0", name=op.f("ck_outbox_attempts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_outbox_attention",
        "outbox",
        ["status", "id"],
        **only_where("status IN ('failed', 'uncertain', 'cancelled')"),
    )
    op.create_index("ix_outbox_subject", "outbox", ["subject_type", "subject_id"])
    op.create_index(
        "ix_outbox_unsettled",
        "outbox",
        ["lane", "id"],
        **only_where("status IN ('pending', 'sending')"),
    )
    op.create_index(
        "uq_outbox_in_flight",
        "outbox",
        ["lane"],
        unique=True,
        **only_where("status = 'sending' AND (digest_id IS NULL OR digest_id = id)"),
    )


def _create_outbox_attempt() -> None:
    op.create_table(
        "outbox_attempt",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("outbox_id", WHOLE, nullable=False),
        sa.Column("number", WHOLE, nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("claimed_by", sa.String(length=128), nullable=False),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["outbox_id"], ["outbox.id"], name=op.f("fk_outbox_attempt_outbox_id_outbox")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_attempt")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_outbox_attempt_outbox_id"), "outbox_attempt", ["outbox_id"])


def _create_chat() -> None:
    op.create_table(
        "chat",
        sa.Column("chat_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("hold_until", UtcTime(), nullable=True),
        sa.Column("hold_reason", sa.Text(), nullable=True),
        sa.Column("next_at", UtcTime(), nullable=True),
        sa.Column("parked_at", UtcTime(), nullable=True),
        sa.Column("probe_at", UtcTime(), nullable=True),
        sa.Column("park_reason", sa.Text(), nullable=True),
        sa.Column("migrated_to", sa.String(length=64), nullable=True),
        sa.Column("type", sa.String(length=16), nullable=True),
        sa.Column("title", sa.String(length=256), nullable=True),
        sa.Column("silent", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("quiet_hours", sa.String(length=11), nullable=True),
        sa.CheckConstraint(
            "(parked_at IS NULL) = (park_reason IS NULL)", name=op.f("ck_chat_park_reason")
        ),
        sa.PrimaryKeyConstraint("chat_id", name=op.f("pk_chat")),
    )


def _create_outbox_start() -> None:
    op.create_table(
        "outbox_start",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("lane", sa.String(length=64), nullable=False),
        sa.Column("starts_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_start")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_start_lane", "outbox_start", ["lane", "starts_at"])
    op.create_index(op.f("ix_outbox_start_starts_at"), "outbox_start", ["starts_at"])


def _create_outbox_stoppage() -> None:
    op.create_table(
        "outbox_stoppage",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.Column("probe_at", UtcTime(), nullable=True),
        sa.CheckConstraint(
            "reason IN ('unconfigured', 'misconfigured', 'unreachable', 'flooded')",
            name=op.f("ck_outbox_stoppage_reason"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_stoppage")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_outbox_stoppage_open",
        "outbox_stoppage",
        ["reason"],
        unique=True,
        **only_where("ended_at IS NULL"),
    )
