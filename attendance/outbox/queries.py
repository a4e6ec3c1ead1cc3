"""What people read of the outbox. Plain dictionaries, with the columns' own names."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, func, or_, select, text

from attendance.outbox import parking
from attendance.outbox.models import (
    IS_UNSETTLED,
    READY,
    STATUSES,
    Attempt,
    Chat,
    Message,
    Status,
    Stoppage,
    literal_status,
)

# Each as the index on it is: SQLite uses a partial one only for a condition that it knows.
_ATTENTION = Message.status.in_(literal_status("failed", "uncertain", "cancelled"))
_DONE = Message.status.in_(literal_status("sent", "cancelled"))
_OPEN = text(READY)
_SHOWN = [column for column in Message.__table__.columns if column.name != "token"]


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts by status, the age in seconds of the oldest message that may go out, the chats that
    are parked, those of them that a person has paused, and whether the bot is stopped
    (`unconfigured misconfigured unreachable flooded`)."""

    counts: Mapping[str, int]
    without_chat: int
    oldest_due_age_seconds: float | None
    sent_last_hour: int
    parked_chats: int
    paused_chats: int
    stopped: str | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def messages(
    connection: Connection,
    *,
    status: Status | None = None,
    chat_id: str | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Messages, the newest first, from below `before_id`."""
    query = select(*_SHOWN).order_by(Message.id.desc()).limit(limit)
    if status is not None:
        query = query.where(Message.status.in_(literal_status(status)))
    if chat_id is not None:
        query = query.where(Message.chat_id == chat_id)
    if before_id is not None:
        query = query.where(Message.id < before_id)
    return [dict(row) for row in connection.execute(query).mappings()]


def message(connection: Connection, message_id: int) -> dict[str, Any] | None:
    """One message with its `attempt_list`, the oldest first; None where there is none."""
    row = connection.execute(select(*_SHOWN).where(Message.id == message_id)).mappings().first()
    if row is None:
        return None
    columns = [c for c in Attempt.__table__.columns if c.name not in {"token", "outbox_id"}]
    made = select(*columns).where(Attempt.outbox_id == message_id).order_by(Attempt.id)
    attempts = [dict(attempt) for attempt in connection.execute(made).mappings()]
    return {**row, "attempt_list": attempts}


def about(connection: Connection, subject_type: str, subject_id: str) -> list[dict[str, Any]]:
    """The messages that speak of one thing: `id`, `chat_id` and `status` of each."""
    query = select(Message.id, Message.chat_id, Message.status).where(
        Message.subject_type == subject_type, Message.subject_id == subject_id
    )
    return [dict(row) for row in connection.execute(query.order_by(Message.id)).mappings()]


def chats(connection: Connection) -> list[dict[str, Any]]:
    """Every chat with its state and the number of messages that wait for it."""
    waiting = select(func.count()).where(Message.lane == Chat.chat_id, IS_UNSETTLED)
    query = select(Chat.__table__, waiting.scalar_subquery().label("waiting"))
    return [dict(row) for row in connection.execute(query.order_by(Chat.created_at)).mappings()]


def stats(connection: Connection, now: datetime) -> Stats:
    waiting = and_(IS_UNSETTLED, Message.status == "pending")
    sent = select(func.count()).where(
        _DONE, Message.settled_at >= now - timedelta(hours=1), Message.status == "sent"
    )
    parked = select(func.count()).select_from(Chat).where(Chat.parked_at.is_not(None))
    paused = select(func.count()).select_from(Chat).where(parking.IS_PAUSED)
    stopped = select(Stoppage.reason).where(
        or_(Stoppage.ended_at.is_(None), Stoppage.ended_at > now)
    )
    return Stats(
        counts=_counts(connection),
        without_chat=connection.scalar(
            select(func.count()).where(waiting, Message.chat_id.is_(None))
        )
        or 0,
        oldest_due_age_seconds=oldest_due_age(connection, now),
        sent_last_hour=connection.scalar(sent) or 0,
        parked_chats=connection.scalar(parked) or 0,
        paused_chats=connection.scalar(paused) or 0,
        stopped=connection.scalar(stopped.order_by(Stoppage.id.desc()).limit(1)),
    )


def oldest_due_age(connection: Connection, now: datetime) -> float | None:
    """How long, in seconds, the oldest message has waited that its chat does not hold up: none of
    a chat that is parked or told to wait. None where nothing waits but those."""
    first = select(func.min(Message.due_at)).where(
        Message.lane == Chat.chat_id, IS_UNSETTLED, Message.status == "pending"
    )
    may_go_out = or_(Chat.hold_until.is_(None), Chat.hold_until <= now)
    # By the chat, so that what waits in the others is not even read.
    firsts = select(first.scalar_subquery().label("due_at")).where(_OPEN, may_go_out).subquery()
    oldest = connection.scalar(select(func.min(firsts.c.due_at)))
    return None if oldest is None else max(0.0, (now - oldest).total_seconds())


def _counts(connection: Connection) -> dict[str, int]:
    """By status: what was sent is not read, but is all that is left."""
    counts: dict[str, int] = dict.fromkeys(STATUSES, 0)
    for condition in (IS_UNSETTLED, _ATTENTION):
        grouped = select(Message.status, func.count()).where(condition).group_by(Message.status)
        counts |= dict(connection.execute(grouped).all())
    total = connection.scalar(select(func.count()).select_from(Message)) or 0
    return counts | {"sent": total - sum(counts.values())}


def newest_about(connection: Connection, subject_type: str) -> datetime | None:
    """When the newest message was written that speaks of no particular thing of this type."""
    return connection.scalar(
        select(Message.created_at)
        .where(Message.subject_type == subject_type, Message.subject_id.is_(None))
        .order_by(Message.id.desc())
        .limit(1)
    )


def parked_chats_of(connection: Connection, message_ids: list[int]) -> dict[str, bool]:
    """As `parked_chats`, of those that some of these messages are addressed to."""
    return parked_chats(connection, select(Message.lane).where(Message.id.in_(message_ids[:1000])))


def parked_chats(
    connection: Connection, among: Sequence[str] | Select[str | None]
) -> dict[str, bool]:
    """Those of the chats to which nothing goes out, and whether it is a person who paused each."""
    query = select(Chat.chat_id, parking.IS_PAUSED).where(
        Chat.parked_at.is_not(None), Chat.chat_id.in_(among)
    )
    return dict(connection.execute(query.order_by(Chat.chat_id)).all())


def waiting_for_others(connection: Connection, chat_id: str) -> int:
    """How many messages are not settled and are for another chat than this, or for none yet."""
    elsewhere = or_(Message.chat_id.is_(None), Message.chat_id != chat_id)
    return connection.scalar(select(func.count()).where(IS_UNSETTLED, elsewhere)) or 0
