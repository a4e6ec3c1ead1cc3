"""The lanes: one for each chat, and which message heads it."""

from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile
from typing import Any

from sqlalchemy import (
    ARRAY,
    Connection,
    Integer,
    Select,
    String,
    and_,
    any_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import aliased

from attendance.db import (
    Prepared,
    UtcTime,
    force_generic_plan,
    has_concurrent_writers,
    insert_or_ignore,
)
from attendance.outbox import circuit_breaker
from attendance.outbox.models import (
    IS_UNSETTLED,
    PARKED,
    READY,
    Chat,
    Message,
    literal_status,
)
from attendance.outbox.types import Policy

Head = dict[str, Any]
"""A row of `outbox` that heads its lane, with the chat's own settings."""

_MOST_PARKED = 100
# Written as the index on them is, which SQLite uses only for a condition that it knows.
_UNSETTLED_STATUSES = literal_status("pending", "sending")
_OPEN, _PARKED = (text(condition) for condition in (READY, PARKED))
_of_chat = Prepared(select(Chat.migrated_to).where(Chat.chat_id == bindparam("chat_id")))
_HEAD = (
    *Message.__table__.columns,
    Chat.silent.label("chat_silent"),
    Chat.quiet_hours,
    Chat.refused_since,
    Chat.ready_at,
)


def _heads(*columns: Any) -> Select[Any]:
    """Select the head of each lane: the message that is under way, else the oldest that waits."""
    # These are mostly the same. They differ once an older message comes back to the lane, by hand
    # or from a chat that moved, while a younger one is under way.
    other = aliased(Message)
    first = select(func.min(other.id)).where(
        other.lane == Chat.chat_id, other.status.in_(_UNSETTLED_STATUSES)
    )
    # Written as the index on it is: SQLite uses a partial one only for a condition that it knows.
    under_way = select(other.id).where(
        other.lane == Chat.chat_id,
        other.status == literal_column("'sending'"),
        or_(other.digest_id.is_(None), other.digest_id == other.id),
    )
    head = func.coalesce(under_way.scalar_subquery(), first.scalar_subquery())
    return select(*columns).select_from(Chat).join(Message, Message.id == head)


_now, _lane = bindparam("now", type_=UtcTime), bindparam("lane", type_=String)
_limit, _at = bindparam("limit", type_=Integer), bindparam("at", type_=UtcTime)
_first_due = Prepared(select(func.min(Chat.ready_at).label("due_at")).where(_OPEN))
_due_heads = Prepared(
    _heads(*_HEAD).where(_OPEN, Chat.ready_at <= _now).order_by(Chat.ready_at).limit(_limit)
)
# Literals, too: SQLite would prepare the statement anew for each value of a parameter that an index
# depends on.
_is_sending = Message.status.in_(literal_status("sending"))
_is_pending = Message.status.in_(literal_status("pending"))
_lease_over = func.min(case((_is_sending, Message.due_at)))
_waits_since = func.min(case((_is_pending, Message.give_up_from)))
# Where transactions overlap, the chat's row is the lane's lock: it is taken first, and only then
# are the messages looked at, so that what its last holder committed is seen.
_lanes = bindparam("lanes", type_=ARRAY(String))
_due = select(Chat.chat_id).where(_OPEN, Chat.ready_at <= _now).order_by(Chat.ready_at)
_lock_due = Prepared(
    # Materialized: PostgreSQL may otherwise run the sub-select more than once, and each run would
    # skip what the last one has locked and lock others, beyond the limit.
    select(
        _due.limit(_limit)
        .with_for_update(skip_locked=True, key_share=True)
        .cte("due")
        .prefix_with("MATERIALIZED")
        .c.chat_id
    )
)
_lock_these = Prepared(
    select(Chat.chat_id)
    .where(Chat.chat_id == any_(_lanes))
    .with_for_update(skip_locked=True, key_share=True)
)
_lock_one = Prepared(
    select(Chat.chat_id).where(Chat.chat_id == _lane).with_for_update(key_share=True)
)
_locked_due_heads = Prepared(
    _heads(*_HEAD)
    .where(_OPEN, Chat.ready_at <= _now, Chat.chat_id == any_(_lanes))
    .with_for_update(of=Message)
)
_parked_due = Prepared(
    _heads(_lease_over.label("due_at"), _waits_since.label("since")).where(_PARKED)
)
_due_parked = (
    _heads(*_HEAD)
    .where(
        _PARKED,
        or_(
            and_(_is_sending, Message.due_at <= _now),
            and_(_is_pending, Message.give_up_from < bindparam("old")),
        ),
    )
    .limit(_MOST_PARKED)
)
_due_parked_heads = Prepared(_due_parked)
_locked_due_parked_heads = Prepared(
    _due_parked.where(Chat.chat_id == any_(_lanes)).with_for_update(of=Message)
)
# Locked where transactions overlap: a person may cancel one of them meanwhile.
_of_lane = (
    select(Message.__table__)
    .where(Message.lane == _lane, IS_UNSETTLED)
    .order_by(Message.id)
    .with_for_update()
)
_front_of = Prepared(_of_lane.where(_is_pending).limit(_limit))
_behind = Prepared(_of_lane.where(Message.id > bindparam("head")).limit(_limit))
_of_digests = (Message.lane == _lane, IS_UNSETTLED, Message.digest_id.is_not(None))
_first_digest = select(Message.digest_id).where(*_of_digests).order_by(Message.id).limit(1)
_to_repeat = Prepared(
    select(Message.__table__)
    .where(*_of_digests, Message.digest_id == _first_digest.scalar_subquery())
    .order_by(Message.id)
    .with_for_update()
)
_changes = Chat.next_at.is_distinct_from(_at)
_set_next = Prepared(update(Chat).where(Chat.chat_id == _lane, _changes).values(next_at=_at))


def open_lane(connection: Connection, now: datetime, chat_id: str) -> str:
    """Return the lane of a chat: its own, made if need be, or that of the chat it has become."""
    chat = _of_chat.first(connection, {"chat_id": chat_id})
    if chat is None:
        row = {"chat_id": chat_id, "created_at": now, "silent": False}
        insert_or_ignore(connection, Chat.__table__, row)
        return chat_id
    return chat.migrated_to or chat_id


def lives_in(connection: Connection, chat_id: str) -> str:
    """Return the lane of a chat that may be unknown."""
    chat = _of_chat.first(connection, {"chat_id": chat_id})
    return chat_id if chat is None else chat.migrated_to or chat_id


def due_heads(connection: Connection, now: datetime, limit: int) -> list[Head]:
    """List the heads that may be claimed, first those that could have been for longest. Until the
    end of the transaction nobody else changes their lanes, except that messages may come in."""
    if has_concurrent_writers(connection):
        force_generic_plan(connection)
        rows = _lock_due.all(connection, {"now": now, "limit": limit})
        held = [row.chat_id for row in rows]
        due = _rows(_locked_due_heads, connection, now=now, lanes=held) if held else []
    else:
        due = _rows(_due_heads, connection, now=now, limit=limit)
    return sorted(due, key=lambda head: (head["ready_at"], head["id"]))


def due_parked_heads(connection: Connection, now: datetime, policy: Policy) -> list[Head]:
    """List some heads of parked lanes whose lease is over, or that may have to be given up. Their
    lanes are held as those of `due_heads` are."""
    # Time in which the bot was stopped does not count, so some of these are not too old yet; but
    # none that is too old is missed.
    times = {"now": now, "old": now - policy.give_up_after}
    due = _rows(_due_parked_heads, connection, **times)
    if due and has_concurrent_writers(connection):
        rows = _lock_these.all(connection, {"lanes": [head["lane"] for head in due]})
        held = [row.chat_id for row in rows]
        due = _rows(_locked_due_parked_heads, connection, **times, lanes=held) if held else []
    return due


def hold_lane(connection: Connection, lane: str) -> None:
    """Keep everybody else from changing the lane until the end of the transaction, except that
    messages may come in. Call it before you change any of its messages."""
    if has_concurrent_writers(connection):
        force_generic_plan(connection)
        _lock_one(connection, {"lane": lane})


def first_due(connection: Connection) -> datetime | None:
    """Return when the first head of a lane that is not parked may be claimed."""
    due: datetime | None = _first_due.first(connection, {}).due_at
    return due


def parked_due(connection: Connection, now: datetime, policy: Policy) -> Iterator[datetime]:
    """Return when, at the heads of parked lanes, the first lease ends and the first message is to
    be given up."""
    # Whatever stoppages there were, what began to wait first is the first to be given up.
    due, since = _parked_due.first(connection, {})
    if due is not None:
        yield due
    if since is not None:
        yield since + policy.give_up_after + circuit_breaker.time_stopped(connection, since, now)


def front(connection: Connection, lane: str, limit: int) -> list[Head]:
    """List the messages that have waited longest in a lane, in order."""
    return _rows(_front_of, connection, lane=lane, limit=limit)


def to_repeat(connection: Connection, lane: str) -> list[Head]:
    """List the messages of a digest that may have been delivered. It is repeated as it was, before
    anything else, even before older messages that came to the lane meanwhile."""
    return _rows(_to_repeat, connection, lane=lane)


def waiting_behind(connection: Connection, head: Head, now: datetime, limit: int) -> list[Head]:
    """List the messages behind the head that may be merged with it, in order, up to the first that
    may not."""
    rows = _rows(_behind, connection, lane=head["lane"], head=head["id"], limit=limit)
    return list(takewhile(lambda row: row["due_at"] <= now and _belongs(row, head), rows))


def set_next(connection: Connection, lane: str, at: datetime | None) -> None:
    _set_next(connection, {"lane": lane, "at": at})


def _rows(query: Prepared, connection: Connection, **values: Any) -> list[Head]:
    return [row._asdict() for row in query.all(connection, values)]


def _belongs(row: Head, head: Head) -> bool:
    """Tell whether a message may be merged with the head: neither was merged before, or may have
    been delivered."""
    same_place = (row["thread_id"], row["silent"]) == (head["thread_id"], head["silent"])
    return bool(same_place and all(map(_is_free, (row, head))))


def _is_free(row: Head) -> bool:
    tied = row["alone"] or row["digest_id"] is not None or row["uncertain_attempts"]
    return row["status"] == "pending" and row["line"] is not None and not tied
