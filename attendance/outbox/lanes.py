"""The lanes: one for each chat, and which message heads it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import Connection, Select, case, func, literal_column, or_, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import aliased

from attendance.outbox import stoppage
from attendance.outbox.claim import Policy
from attendance.outbox.message import Chat, Message, literal_status

_FIRST_PROBE = timedelta(minutes=1)
_LONGEST_PROBE = timedelta(hours=1)

Head = dict[str, Any]
"""A row of `outbox` that heads its lane, with the chat's own settings."""

_insert_chat = sqlite.insert(Chat.__table__).on_conflict_do_nothing()  # type: ignore[arg-type]
_HEAD = (
    *Message.__table__.columns,
    Chat.silent.label("chat_silent"),
    Chat.quiet_hours,
)


def open_lane(connection: Connection, now: datetime, chat_id: str) -> str:
    """The lane of a chat: its own, made if need be, or that of the chat it has become."""
    row = {"chat_id": chat_id, "created_at": now, "silent": False}
    connection.execute(_insert_chat, row)
    moved = select(Chat.migrated_to).where(Chat.chat_id == chat_id)
    return connection.scalar(moved) or chat_id


def migrate(connection: Connection, now: datetime, old: str, new: str) -> None:
    """From now on `old` lives as `new`, with all that waits for it; topics of `old` are void."""
    new = open_lane(connection, now, new)
    if new == old:
        return
    aliases = update(Chat).where(or_(Chat.chat_id == old, Chat.migrated_to == old))
    connection.execute(aliases.values(migrated_to=new))
    follow_migrations(connection)


def follow_migrations(connection: Connection) -> None:
    """Bring what waits in the lane of a chat that has moved to where it lives."""
    moved = select(Chat.migrated_to).where(Chat.chat_id == Message.lane).scalar_subquery()
    left = select(Chat.chat_id).where(Chat.migrated_to.is_not(None))
    waiting = Message.status.in_(literal_status("pending"))
    stale = update(Message).where(Message.lane.in_(left), waiting)
    connection.execute(stale.values(lane=moved, thread_id=None))


def due_heads(now: datetime, limit: int) -> Select[Any]:
    """The heads that may be claimed, those that have been due longest first."""
    free = [or_(time.is_(None), time <= now) for time in (Chat.hold_until, Chat.next_at)]
    due = _heads(*_HEAD).where(Chat.parked_at.is_(None), Message.due_at <= now, *free)
    return due.order_by(Message.due_at, Message.id).limit(limit)


def due_parked_heads(now: datetime) -> Select[Any]:
    return _heads(*_HEAD).where(Chat.parked_at.is_not(None), Message.due_at <= now)


def first_due(connection: Connection) -> datetime | None:
    """When the first head of a lane that is not parked may be claimed."""
    held = case((Chat.hold_until > Message.due_at, Chat.hold_until), else_=Message.due_at)
    ready = case((Chat.next_at > held, Chat.next_at), else_=held)
    query = _heads(func.min(ready)).where(Chat.parked_at.is_(None))
    due: datetime | None = connection.execute(query).scalar()
    return due


def parked_due(connection: Connection, now: datetime, policy: Policy) -> Iterator[datetime]:
    """When a lease ends, or a message is to be given up, at the head of each parked lane."""
    columns = (Message.status, Message.due_at, Message.give_up_from)
    for row in connection.execute(_heads(*columns).where(Chat.parked_at.is_not(None))):
        stopped = stoppage.time_stopped(connection, row.give_up_from, now)
        given_up = row.give_up_from + policy.give_up_after + stopped
        yield row.due_at if row.status == "sending" else given_up


def waiting_behind(connection: Connection, head: Head, now: datetime, limit: int) -> list[Head]:
    """The messages behind the head that may be merged with it, in order, up to the first that may
    not; of a digest that is to be repeated exactly its messages."""
    query = select(Message.__table__).where(
        Message.lane == head["lane"],
        Message.status.in_(literal_status("pending")),
        Message.id > head["id"],
        Message.due_at <= now,
    )
    rows = connection.execute(query.order_by(Message.id).limit(limit)).mappings()
    return list(takewhile(lambda row: _belongs(row, head), ({**row} for row in rows)))


def set_next(connection: Connection, lane: str, at: datetime | None) -> None:
    connection.execute(update(Chat).where(Chat.chat_id == lane).values(next_at=at))


def hold(connection: Connection, lane: str, until: datetime, reason: str) -> None:
    held = update(Chat).where(Chat.chat_id == lane)
    connection.execute(held.values(hold_until=until, hold_reason=reason))


def another_is_held(connection: Connection, lane: str, now: datetime) -> datetime | None:
    """Until when some other chat was told to wait."""
    query = select(func.max(Chat.hold_until)).where(Chat.chat_id != lane, Chat.hold_until > now)
    until: datetime | None = connection.scalar(query)
    return until


def park(connection: Connection, now: datetime, lane: str, reason: str, *, probed: bool) -> None:
    """Claim nothing for this chat, until a probe succeeds or, not `probed`, a person resumes it."""
    probe_at = now + _FIRST_PROBE if probed else None
    parked = update(Chat).where(Chat.chat_id == lane)
    connection.execute(parked.values(parked_at=now, park_reason=reason, probe_at=probe_at))


def next_probe(connection: Connection) -> datetime | None:
    """When the first of the chats that refused us is to be asked again."""
    due: datetime | None = connection.scalar(select(func.min(Chat.probe_at)))
    return due


def take_probe(connection: Connection, now: datetime) -> str | None:
    """Claim a probe that is due, so that one process makes it; the chat's id, None where there is
    none. The next follows after as long as the chat has been parked, at most an hour."""
    due = connection.execute(
        select(Chat.chat_id, Chat.parked_at).where(Chat.probe_at <= now).order_by(Chat.probe_at)
    ).first()
    if due is None:
        return None
    pause = min(max(now - due.parked_at, _FIRST_PROBE), _LONGEST_PROBE)
    taken = update(Chat).where(Chat.chat_id == due.chat_id)
    connection.execute(taken.values(probe_at=now + pause))
    chat_id: str = due.chat_id
    return chat_id


def rows_of(connection: Connection, heads: Select[Any]) -> list[Head]:
    return [{**row} for row in connection.execute(heads).mappings()]


def _belongs(row: Head, head: Head) -> bool:
    if head["digest_id"] is not None:
        return bool(row["digest_id"] == head["digest_id"])
    same_place = (row["thread_id"], row["silent"]) == (head["thread_id"], head["silent"])
    fit = row["line"] and head["line"] and not row["alone"] and not head["alone"]
    return bool(same_place and fit and row["digest_id"] is None)


def _heads(*columns: Any) -> Select[Any]:
    """The head of each lane: the message that is under way, else the oldest that waits. They are
    one and the same, unless an older one came back to the lane meanwhile."""
    other = aliased(Message)
    first = select(func.min(other.id)).where(
        other.lane == Chat.chat_id, other.status.in_(literal_status("pending", "sending"))
    )
    # Written as the index on it is: SQLite uses a partial one only for a condition that it knows.
    under_way = select(other.id).where(
        other.lane == Chat.chat_id,
        other.status == literal_column("'sending'"),
        or_(other.digest_id.is_(None), other.digest_id == other.id),
    )
    head = func.coalesce(under_way.scalar_subquery(), first.scalar_subquery())
    return select(*columns).select_from(Chat).join(Message, Message.id == head)
