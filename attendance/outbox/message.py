"""The tables of the outbox. Their constraints make a wrong row impossible."""

from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import (
    BigInteger,
    BindParameter,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    bindparam,
)
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from attendance.db import Base, UtcTime

Status = Literal["pending", "sending", "sent", "failed", "uncertain", "cancelled"]
STATUSES: tuple[Status, ...] = get_args(Status)

UNSETTLED = "status IN ('pending', 'sending')"
SENDING = "status = 'sending'"
ATTENTION = "status IN ('failed', 'uncertain', 'cancelled')"
_listed = ", ".join(f"'{status}'" for status in STATUSES)


def literal_status(*statuses: Status) -> BindParameter[Any]:
    """Statuses as literals in the statement: SQLite uses a partial index only for those."""
    return bindparam(None, statuses, expanding=True, literal_execute=True)


class Message(Base):
    """One message to one chat.

    `due_at` is the one time that says when a row may be claimed: its creation, the end of a
    backoff, or, while it is `sending`, the end of its claim's lease.
    """

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[Status] = mapped_column(String(9))
    chat_id: Mapped[str | None] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    subject_type: Mapped[str] = mapped_column(String(32))
    subject_id: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    due_at: Mapped[datetime] = mapped_column(UtcTime)
    give_up_from: Mapped[datetime] = mapped_column(UtcTime)
    attempts: Mapped[int] = mapped_column(default=0)
    uncertain_attempts: Mapped[int] = mapped_column(default=0)
    token: Mapped[str | None] = mapped_column(String(32))
    claimed_by: Mapped[str | None] = mapped_column(String(128))
    claimed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_error: Mapped[str | None] = mapped_column(Text)
    sent_at: Mapped[datetime | None] = mapped_column(UtcTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcTime)
    telegram_message_id: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        CheckConstraint(f"status IN ({_listed})", name="status"),
        CheckConstraint("(status = 'sending') = (token IS NOT NULL)", name="token"),
        CheckConstraint("(token IS NULL) = (claimed_at IS NULL)", name="claimed_at"),
        CheckConstraint("status <> 'sending' OR chat_id IS NOT NULL", name="chat_id"),
        CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name="sent_at"),
        CheckConstraint(f"({UNSETTLED}) = (settled_at IS NULL)", name="settled_at"),
        CheckConstraint("attempts >= 0 AND uncertain_attempts >= 0", name="attempts"),
        # The head of each lane, and all that waits: the size of the backlog, not of the history.
        Index("ix_outbox_unsettled", "chat_id", "id", sqlite_where=sql(UNSETTLED)),
        # One request per chat is in flight, whoever claims.
        Index("uq_outbox_in_flight", "chat_id", unique=True, sqlite_where=sql(SENDING)),
        # What a person has to look at. The many that were sent are found by their id.
        Index("ix_outbox_attention", "status", "id", sqlite_where=sql(ATTENTION)),
        Index("ix_outbox_subject", "subject_type", "subject_id"),
        {"sqlite_autoincrement": True},
    )


class Attempt(Base):
    """One attempt to deliver a message, written when its end is known.

    `outcome` is the name of what the transport answered, in lower case, `uncertain` also for a
    claim that ran out unsettled, or `late` where another had taken the claim over.
    """

    __tablename__ = "outbox_attempt"

    id: Mapped[int] = mapped_column(primary_key=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id"), index=True)
    number: Mapped[int]
    token: Mapped[str] = mapped_column(String(32))
    claimed_by: Mapped[str] = mapped_column(String(128))
    started_at: Mapped[datetime] = mapped_column(UtcTime)
    ended_at: Mapped[datetime] = mapped_column(UtcTime)
    outcome: Mapped[str] = mapped_column(String(16))
    error: Mapped[str | None] = mapped_column(Text)

    __table_args__ = ({"sqlite_autoincrement": True},)


class Chat(Base):
    """A lane: what belongs to one destination, shared by all who deliver.

    Its head is the message that is under way, else the oldest that waits, and only the head may be
    claimed: so order is kept and one request per chat is in flight. Nothing is claimed before
    `hold_until`, nor while `parked_at` is set.
    """

    __tablename__ = "chat"

    chat_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    hold_until: Mapped[datetime | None] = mapped_column(UtcTime)
    hold_reason: Mapped[str | None] = mapped_column(Text)
    parked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    park_reason: Mapped[str | None] = mapped_column(Text)
    migrated_to: Mapped[str | None] = mapped_column(String(64))

    __table_args__ = (
        CheckConstraint("(parked_at IS NULL) = (park_reason IS NULL)", name="park_reason"),
    )


class Stoppage(Base):
    """A time in which nothing could be delivered to anybody, because of how we are set up.

    Open while `ended_at` is null. While one is open no message is claimed, and the time that a
    message may take before it is given up stands still.
    """

    __tablename__ = "outbox_stoppage"

    id: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[Literal["unconfigured", "misconfigured"]] = mapped_column(String(16))
    error: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(UtcTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)
    probe_at: Mapped[datetime | None] = mapped_column(UtcTime)

    __table_args__ = (
        CheckConstraint("reason IN ('unconfigured', 'misconfigured')", name="reason"),
        # Two processes that see the same trouble open one stoppage.
        Index(
            "uq_outbox_stoppage_open", "reason", unique=True, sqlite_where=sql("ended_at IS NULL")
        ),
        {"sqlite_autoincrement": True},
    )
