"""The tables of the outbox. Their constraints make a wrong row impossible."""

from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Text,
    false,
    literal_column,
)
from sqlalchemy.orm import Mapped, mapped_column

from attendance.db import Base, UtcTime, partial_index

Status = Literal["pending", "sending", "sent", "failed", "uncertain", "cancelled"]
STATUSES: tuple[Status, ...] = get_args(Status)

StopReason = Literal["unconfigured", "misconfigured", "unreachable", "flooded"]

UNSETTLED = "status IN ('pending', 'sending')"
IN_FLIGHT = "status = 'sending' AND (digest_id IS NULL OR digest_id = id)"
ATTENTION = "status IN ('failed', 'uncertain', 'cancelled')"
DONE = "status IN ('sent', 'cancelled')"
READY = "parked_at IS NULL AND ready_at IS NOT NULL"
PARKED = "parked_at IS NOT NULL AND ready_at IS NOT NULL"
_listed = ", ".join(f"'{status}'" for status in STATUSES)
_stop_reasons = ", ".join(f"'{reason}'" for reason in get_args(StopReason))


def literal_status(*statuses: Status) -> list[ColumnElement[Any]]:
    """Write statuses as literals into the statement: SQLite uses a partial index only for those."""
    return [literal_column(f"'{status}'") for status in statuses]


class Message(Base):
    """One message to one chat.

    `chat_id` is what it was addressed to, `lane` where that chat lives now. `line` is its short
    form, for a digest; without one, or where `alone` is set, it is never merged. Messages that went
    out merged bear the same `digest_id` for as long as they may have to be repeated as they were.

    `due_at` is the one time that says when a row may be claimed: its creation, the end of a
    backoff, or, while it is `sending`, the end of its claim's lease.
    """

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[Status] = mapped_column(String(9))
    chat_id: Mapped[str | None] = mapped_column(String(64))
    lane: Mapped[str | None] = mapped_column(String(64))
    thread_id: Mapped[int | None] = mapped_column(BigInteger)
    silent: Mapped[bool] = mapped_column(default=False, server_default=false())
    text: Mapped[str] = mapped_column(Text)
    line: Mapped[str | None] = mapped_column(Text)
    alone: Mapped[bool] = mapped_column(default=False, server_default=false())
    digest_id: Mapped[int | None]
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
    # Telegram's number for the message, under the name that the column has always had: the outbox
    # itself does not know who carries its messages.
    receipt: Mapped[int | None] = mapped_column("telegram_message_id", BigInteger)

    __table_args__ = (
        CheckConstraint(f"status IN ({_listed})", name="status"),
        CheckConstraint("(status = 'sending') = (token IS NOT NULL)", name="token"),
        CheckConstraint("(token IS NULL) = (claimed_at IS NULL)", name="claimed_at"),
        CheckConstraint("status <> 'sending' OR chat_id IS NOT NULL", name="chat_id"),
        CheckConstraint("(chat_id IS NULL) = (lane IS NULL)", name="lane"),
        CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name="sent_at"),
        CheckConstraint(f"({UNSETTLED}) = (settled_at IS NULL)", name="settled_at"),
        CheckConstraint("attempts >= 0 AND uncertain_attempts >= 0", name="attempts"),
        # The head of each lane, and all that waits: the size of the backlog, not of the history.
        Index("ix_outbox_unsettled", "lane", "id", **partial_index(UNSETTLED)),
        # One request per chat is in flight, whoever claims.
        Index("uq_outbox_in_flight", "lane", unique=True, **partial_index(IN_FLIGHT)),
        # What a person has to look at. The many that were sent are found by their id.
        Index("ix_outbox_attention", "status", "id", **partial_index(ATTENTION)),
        # What nobody has to look at any more, the oldest first.
        Index("ix_outbox_settled", "settled_at", **partial_index(DONE)),
        # Digests that wait to be repeated as they were.
        Index(
            "ix_outbox_digest",
            "lane",
            "id",
            **partial_index(f"{UNSETTLED} AND digest_id IS NOT NULL"),
        ),
        Index("ix_outbox_subject", "subject_type", "subject_id"),
        {"sqlite_autoincrement": True},
    )


IS_UNSETTLED = Message.status.in_(literal_status("pending", "sending"))


class Attempt(Base):
    """One attempt to deliver a message, written when its end is known.

    `outcome` is the name of what the transport answered, in lower case. It is `uncertain` for a
    claim that ran out unsettled, too, and `late` if another had taken the claim over.
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
    `hold_until`, nor while `parked_at` is set. `refused_since` outlasts a probe that succeeds,
    until a message is delivered: as long as none is, the next probe comes ever later. `ready_at` is
    kept by triggers (see `ready_triggers`).
    """

    __tablename__ = "chat"

    chat_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    hold_until: Mapped[datetime | None] = mapped_column(UtcTime)
    hold_reason: Mapped[str | None] = mapped_column(Text)
    next_at: Mapped[datetime | None] = mapped_column(UtcTime)
    parked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    probe_at: Mapped[datetime | None] = mapped_column(UtcTime)
    park_reason: Mapped[str | None] = mapped_column(Text)
    refused_since: Mapped[datetime | None] = mapped_column(UtcTime)
    migrated_to: Mapped[str | None] = mapped_column(String(64))
    type: Mapped[str | None] = mapped_column(String(16))
    title: Mapped[str | None] = mapped_column(String(256))
    silent: Mapped[bool] = mapped_column(default=False, server_default=false())
    quiet_hours: Mapped[str | None] = mapped_column(String(11))
    ready_at: Mapped[datetime | None] = mapped_column(UtcTime)

    __table_args__ = (
        CheckConstraint("(parked_at IS NULL) = (park_reason IS NULL)", name="park_reason"),
        # Only chats for which something waits: never all that there are.
        Index("ix_chat_ready", "ready_at", **partial_index(READY)),
        Index("ix_chat_parked", "parked_at", **partial_index(PARKED)),
        Index("ix_chat_probe", "probe_at", **partial_index("probe_at IS NOT NULL")),
    )


class Beat(Base):
    """A dispatcher's last sign of life, where several hosts share the database."""

    __tablename__ = "dispatcher"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    beaten_at: Mapped[datetime] = mapped_column(UtcTime)


class Start(Base):
    """The planned start of a request, kept for as long as a window of the pace can hold it."""

    __tablename__ = "outbox_start"

    id: Mapped[int] = mapped_column(primary_key=True)
    lane: Mapped[str] = mapped_column(String(64))
    starts_at: Mapped[datetime] = mapped_column(UtcTime, index=True)

    __table_args__ = (
        Index("ix_outbox_start_lane", "lane", "starts_at"),
        {"sqlite_autoincrement": True},
    )


class Stoppage(Base):
    """A time in which nothing could be delivered to anybody.

    No message is claimed until it ends: `flooded` (two chats were told to wait) by the clock,
    `misconfigured` (the bot is refused) and `unreachable` (nothing gets through) by a probe that
    succeeds, `unconfigured` by a configuration. While we are not, or wrongly, configured, the time
    that a message may take before it is given up stands still.
    """

    __tablename__ = "outbox_stoppage"

    id: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[StopReason] = mapped_column(String(16))
    error: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(UtcTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime, index=True)
    probe_at: Mapped[datetime | None] = mapped_column(UtcTime)

    __table_args__ = (
        CheckConstraint(f"reason IN ({_stop_reasons})", name="reason"),
        # Two processes that see the same trouble open one stoppage.
        Index(
            "uq_outbox_stoppage_open", "reason", unique=True, **partial_index("ended_at IS NULL")
        ),
        {"sqlite_autoincrement": True},
    )
