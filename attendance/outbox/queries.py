"""What people read of the outbox: lists, counts, and what holds each chat up.

Rows are plain dictionaries with the columns' own names. Each function takes the caller's connection
and only reads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, or_, select, text

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

# Each is written as the index on it is: SQLite uses a partial index only for a condition that it
# recognizes word for word.
_ATTENTION = Message.status.in_(literal_status("failed", "uncertain", "cancelled"))
_DONE = Message.status.in_(literal_status("sent", "cancelled"))
_OPEN = text(READY)
_SHOWN = [column for column in Message.__table__.columns if column.name != "token"]
_LATEST_ATTEMPTS = 10_000


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts by status, the age in seconds of the oldest message that may go out, the chats that
    are parked, those among them that a person has paused, and why the bot is stopped, if it is
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


@dataclass(frozen=True, slots=True)
class Overview:
    """What somebody who watches sees: `counts` of what is not sent, `stopped` why nothing goes out
    to anybody, and `chats` as `chats` lists them, each with its `state`."""

    counts: Mapping[str, int]
    sent_last_minute: int
    oldest_due_age_seconds: float | None
    stopped: str | None
    chats: list[dict[str, Any]]


def messages(
    connection: Connection,
    *,
    status: Status | None = None,
    chat_id: str | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """List messages, the newest first, from below `before_id`."""
    query = select(*_SHOWN).order_by(Message.id.desc()).limit(limit)
    if status is not None:
        query = query.where(Message.status.in_(literal_status(status)))
    if chat_id is not None:
        query = query.where(Message.chat_id == chat_id)
    if before_id is not None:
        query = query.where(Message.id < before_id)
    return [dict(row) for row in connection.execute(query).mappings()]


def message(connection: Connection, message_id: int) -> dict[str, Any] | None:
    """Return one message with its `attempt_list`, the oldest first; None if there is no such
    message."""
    row = connection.execute(select(*_SHOWN).where(Message.id == message_id)).mappings().first()
    if row is None:
        return None
    columns = [c for c in Attempt.__table__.columns if c.name not in {"token", "outbox_id"}]
    made = select(*columns).where(Attempt.outbox_id == message_id).order_by(Attempt.id)
    attempts = [dict(attempt) for attempt in connection.execute(made).mappings()]
    return {**row, "attempt_list": attempts}


def about(connection: Connection, subject_type: str, subject_id: str) -> list[dict[str, Any]]:
    """List the messages that speak of one thing: `id`, `chat_id` and `status` of each."""
    query = select(Message.id, Message.chat_id, Message.status).where(
        Message.subject_type == subject_type, Message.subject_id == subject_id
    )
    return [dict(row) for row in connection.execute(query.order_by(Message.id)).mappings()]


def chats(connection: Connection) -> list[dict[str, Any]]:
    """List every chat with its columns and the number of messages that wait for it."""
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
    stopped = _newest_stoppage(connection, now)
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
        stopped=None if stopped is None else stopped.reason,
    )


def overview(connection: Connection, now: datetime) -> Overview:
    """Describe the outbox for somebody who asks every second: reads what waits and the latest
    attempts, never the history."""
    stopped = _newest_stoppage(connection, now)
    return Overview(
        counts=_unsent_counts(connection),
        sent_last_minute=_sent_since(connection, now - timedelta(minutes=1)),
        oldest_due_age_seconds=oldest_due_age(connection, now),
        stopped=None if stopped is None else _described(stopped),
        chats=[{**chat, "state": state_of(chat, now)} for chat in chats(connection)],
    )


def state_of(chat: Mapping[str, Any], now: datetime) -> str:
    """Say in words whether messages go out to this chat, and if not, why not; for a chat that was
    paused, the reason that was given."""
    if chat["migrated_to"]:
        return f"moved to {chat['migrated_to']}"
    if chat["parked_at"]:
        return _parked_state(chat)
    if chat["hold_until"] and chat["hold_until"] > now:
        return f"told to wait {_seconds(chat['hold_until'], now)} s: {chat['hold_reason']}"
    if chat["waiting"] and chat["next_at"] and chat["next_at"] > now:
        return f"held {_seconds(chat['next_at'], now)} s by its rate"
    return "open"


def oldest_due_age(connection: Connection, now: datetime) -> float | None:
    """Return for how many seconds the oldest message has waited that its chat does not hold up.
    Messages to a chat that is parked or told to wait do not count; None if no others wait."""
    first = select(func.min(Message.due_at)).where(
        Message.lane == Chat.chat_id, IS_UNSETTLED, Message.status == "pending"
    )
    may_go_out = or_(Chat.hold_until.is_(None), Chat.hold_until <= now)
    # Chat by chat, so that what waits for a chat that is held up is not even read.
    firsts = select(first.scalar_subquery().label("due_at")).where(_OPEN, may_go_out).subquery()
    oldest = connection.scalar(select(func.min(firsts.c.due_at)))
    return None if oldest is None else max(0.0, (now - oldest).total_seconds())


def newest_about(connection: Connection, subject_type: str) -> datetime | None:
    """Return when the newest message of this type was written that speaks of no particular
    thing."""
    return connection.scalar(
        select(Message.created_at)
        .where(Message.subject_type == subject_type, Message.subject_id.is_(None))
        .order_by(Message.id.desc())
        .limit(1)
    )


def parked_chats_of(connection: Connection, message_ids: list[int]) -> dict[str, bool]:
    """The same as `parked_chats`, among the chats that these messages are addressed to."""
    return parked_chats(connection, select(Message.lane).where(Message.id.in_(message_ids[:1000])))


def parked_chats(
    connection: Connection, among: Sequence[str] | Select[str | None]
) -> dict[str, bool]:
    """Return the chats to which nothing goes out, each with whether a person has paused it."""
    query = select(Chat.chat_id, parking.IS_PAUSED).where(
        Chat.parked_at.is_not(None), Chat.chat_id.in_(among)
    )
    return dict(connection.execute(query.order_by(Chat.chat_id)).all())


def waiting_for_others(connection: Connection, chat_id: str) -> int:
    """Count the messages that are not settled and are for another chat, or for none yet."""
    elsewhere = or_(Message.chat_id.is_(None), Message.chat_id != chat_id)
    return connection.scalar(select(func.count()).where(IS_UNSETTLED, elsewhere)) or 0


def last_lease_ends(connection: Connection, now: datetime) -> datetime | None:
    """Return when the last of the live claims ends; None if there are none."""
    live = Message.status.in_(literal_status("sending")), Message.due_at > now
    return connection.scalar(select(func.max(Message.due_at)).where(*live))


def _counts(connection: Connection) -> dict[str, int]:
    """Count by status, of every status."""
    unsent = _unsent_counts(connection)
    # The many that were sent are never read by status: they are what is left of the total.
    total = connection.scalar(select(func.count()).select_from(Message)) or 0
    sent = total - sum(unsent.values())
    return {status: unsent.get(status, sent) for status in STATUSES}


def _unsent_counts(connection: Connection) -> dict[str, int]:
    """Count by status what is not sent: what waits, and what a person has to look at."""
    counts: dict[str, int] = {status: 0 for status in STATUSES if status != "sent"}
    for condition in (IS_UNSETTLED, _ATTENTION):
        grouped = select(Message.status, func.count()).where(condition).group_by(Message.status)
        counts |= dict(connection.execute(grouped).all())
    return counts


def _sent_since(connection: Connection, since: datetime) -> int:
    latest = (
        select(Attempt.ended_at, Attempt.outcome)
        .order_by(Attempt.id.desc())
        .limit(_LATEST_ATTEMPTS)
    ).subquery()
    sent = select(func.count()).where(latest.c.outcome == "delivered", latest.c.ended_at >= since)
    return connection.scalar(sent) or 0


def _newest_stoppage(connection: Connection, now: datetime) -> Row[*tuple[Any, ...]] | None:
    """The `reason` and `error` of the stoppage that began last, of those that last still."""
    lasting = or_(Stoppage.ended_at.is_(None), Stoppage.ended_at > now)
    newest = select(Stoppage.reason, Stoppage.error).where(lasting).order_by(Stoppage.id.desc())
    return connection.execute(newest.limit(1)).first()


def _described(stopped: Row[*tuple[Any, ...]]) -> str:
    return f"{stopped.reason}: {stopped.error}" if stopped.error else str(stopped.reason)


def _parked_state(chat: Mapping[str, Any]) -> str:
    """Tell the two kinds of parked apart as `parking.IS_PAUSED` does."""
    reason: str = chat["park_reason"]
    if chat["probe_at"] or chat["refused_since"]:
        return f"refuses us: {reason}"
    return reason if reason.startswith("paused") else f"paused: {reason}"


def _seconds(until: datetime, now: datetime) -> int:
    return round((until - now).total_seconds()) or 1
