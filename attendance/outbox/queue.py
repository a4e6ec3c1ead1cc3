"""Into the outbox, and out of it by claim: never more than the head of each chat's lane.

Each function takes the caller's connection and commits nothing. A claim is a fresh random token
and a lease; only the token's holder settles (`settlement.settle`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, case, func, insert, literal_column, or_, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import aliased

from attendance.outbox import stoppage
from attendance.outbox.claim import Claim, Policy
from attendance.outbox.message import Chat, Message, literal_status
from attendance.outbox.settlement import LEASE_OVER, OnOutcome, abandon, give_up
from attendance.outbox.transport import Outgoing

_insert_message = insert(Message.__table__)  # type: ignore[arg-type]  # declared as a FromClause
_insert_chat = sqlite.insert(Chat.__table__).on_conflict_do_nothing()  # type: ignore[arg-type]

Head = dict[str, Any]
"""A row of `outbox` that heads its lane, with the lane's `migrated_to`."""

_HEAD = (*Message.__table__.columns, Chat.migrated_to)


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to be: `chat_id` None waits until a default chat is configured. The subject is
    what it speaks of, kept for whoever follows it back; it means nothing to the outbox."""

    chat_id: str | None
    text: str
    subject_type: str
    subject_id: str | None = None
    request_id: str | None = None


def enqueue(connection: Connection, now: datetime, draft: Draft) -> int:
    """Write the message in the caller's transaction; the id, which is its place in the order."""
    if draft.chat_id is not None:
        add_chat(connection, now, draft.chat_id)
    result = connection.execute(
        _insert_message,
        {
            "status": "pending",
            "chat_id": draft.chat_id,
            "text": draft.text,
            "subject_type": draft.subject_type,
            "subject_id": draft.subject_id,
            "request_id": draft.request_id,
            "created_at": now,
            "due_at": now,
            "give_up_from": now,
            "attempts": 0,
            "uncertain_attempts": 0,
        },
    )
    return result.lastrowid


def add_chat(connection: Connection, now: datetime, chat_id: str) -> None:
    """Make the chat's lane, unless there is one."""
    connection.execute(_insert_chat, {"chat_id": chat_id, "created_at": now})


def adopt(connection: Connection, now: datetime, chat_id: str) -> int:
    """Give the messages that waited for a default chat to `chat_id`; how many there were.

    The time after which they are given up counts from now: it stood still until there was a chat.
    """
    add_chat(connection, now, chat_id)
    homeless = update(Message).where(Message.chat_id.is_(None), Message.status == "pending")
    return connection.execute(homeless.values(chat_id=chat_id, give_up_from=now)).rowcount


def waits_for_configuration(connection: Connection) -> bool:
    """Whether a message has no chat, or its clock stands still, for want of a configuration."""
    homeless = select(Message.id).where(
        Message.chat_id.is_(None), Message.status.in_(literal_status("pending"))
    )
    return stoppage.is_open(connection, "unconfigured") or bool(
        connection.scalar(select(homeless.exists()))
    )


def next_due(connection: Connection, now: datetime, policy: Policy) -> datetime | None:
    """When there is next something to do: a head to claim, or to give up in a parked lane, or,
    while claims are stopped, a probe.

    Only reads, and so costs nobody anything. None where nothing waits.
    """
    stopped = stoppage.misconfigured_since(connection)
    if stopped is not None:
        return stopped[1]
    ready_at = case((Chat.hold_until > Message.due_at, Chat.hold_until), else_=Message.due_at)
    ready = _heads(func.min(ready_at)).where(Chat.parked_at.is_(None))
    first: datetime | None = connection.execute(ready).scalar()
    times = [*_parked_due(connection, now, policy), *([] if first is None else [first])]
    return min(times, default=None)


def claim(
    connection: Connection,
    now: datetime,
    *,
    limit: int,
    claimed_by: str,
    new_token: Callable[[], str],
    policy: Policy,
    on_outcome: OnOutcome,
) -> list[Claim]:
    """Take up to `limit` messages that are due, each the head of another lane.

    A head whose lease ran out first gets its `uncertain` attempt; one that has waited too long is
    given up instead of claimed, in parked lanes too. `on_outcome` is told of both.
    """
    if stoppage.misconfigured_since(connection) is not None:
        return []
    for head in _rows(connection, _due_parked_heads(now)):
        _is_still_wanted(connection, now, head, policy, on_outcome)
    return [
        _take(connection, now, head, new_token(), claimed_by, policy)
        for head in _rows(connection, _due_heads(now, limit))
        if _is_still_wanted(connection, now, head, policy, on_outcome)
    ]


def release(connection: Connection, now: datetime, claim: Claim) -> bool:
    """Give back a claim whose request never began, uncounted. False where it was taken over."""
    mine = update(Message).where(Message.id == claim.id, Message.token == claim.token)
    released = mine.values(
        status="pending",
        due_at=now,
        attempts=Message.attempts - 1,
        token=None,
        claimed_by=None,
        claimed_at=None,
    )
    return connection.execute(released).rowcount == 1


def _due_heads(now: datetime, limit: int) -> Select[Any]:
    """The heads that may be claimed, those that have been due longest first."""
    not_held = or_(Chat.hold_until.is_(None), Chat.hold_until <= now)
    due = _heads(*_HEAD).where(Chat.parked_at.is_(None), Message.due_at <= now, not_held)
    return due.order_by(Message.due_at, Message.id).limit(limit)


def _due_parked_heads(now: datetime) -> Select[Any]:
    return _heads(*_HEAD).where(Chat.parked_at.is_not(None), Message.due_at <= now)


def _parked_due(connection: Connection, now: datetime, policy: Policy) -> Iterator[datetime]:
    """When a lease ends, or a message is to be given up, at the head of each parked lane."""
    columns = (Message.status, Message.due_at, Message.give_up_from)
    for row in connection.execute(_heads(*columns).where(Chat.parked_at.is_not(None))):
        stopped = stoppage.time_stopped(connection, row.give_up_from, now)
        given_up = row.give_up_from + policy.give_up_after + stopped
        yield row.due_at if row.status == "sending" else given_up


def _heads(*columns: Any) -> Select[Any]:
    """The head of each lane: the message that is under way, else the oldest that waits. They are
    one and the same, unless an older one came back to the lane meanwhile."""
    other = aliased(Message)
    first = select(func.min(other.id)).where(
        other.chat_id == Chat.chat_id, other.status.in_(literal_status("pending", "sending"))
    )
    # Written as the index on it is: SQLite uses a partial one only for a condition that it knows.
    under_way = select(other.id).where(
        other.chat_id == Chat.chat_id, other.status == literal_column("'sending'")
    )
    head = func.coalesce(under_way.scalar_subquery(), first.scalar_subquery())
    return select(*columns).select_from(Chat).join(Message, Message.id == head)


def _rows(connection: Connection, heads: Select[Any]) -> list[Head]:
    return [{**row} for row in connection.execute(heads).mappings()]


def _is_still_wanted(
    connection: Connection, now: datetime, head: Head, policy: Policy, on_outcome: OnOutcome
) -> bool:
    """Note a lease that ran out, and give up what has waited too long; whether the head remains."""
    if head["status"] == "sending":
        if not abandon(connection, now, _claim_on(head), policy, on_outcome):
            return False
        head["last_error"] = LEASE_OVER
    if _waited_too_long(connection, now, head, policy):
        give_up(connection, now, head, on_outcome)
        return False
    return True


def _waited_too_long(connection: Connection, now: datetime, head: Head, policy: Policy) -> bool:
    since: datetime = head["give_up_from"]
    if now - since <= policy.give_up_after:
        return False
    stopped = stoppage.time_stopped(connection, since, now)
    return now - since - stopped > policy.give_up_after


def _take(
    connection: Connection,
    now: datetime,
    head: Head,
    token: str,
    claimed_by: str,
    policy: Policy,
) -> Claim:
    claimed = {
        "status": "sending",
        "token": token,
        "claimed_by": claimed_by,
        "claimed_at": now,
        "due_at": now + policy.lease,
        "attempts": head["attempts"] + 1,
    }
    connection.execute(update(Message).where(Message.id == head["id"]).values(**claimed))
    expired = head["status"] == "sending"
    return _claim_on({**head, **claimed}, repeats=expired or head["uncertain_attempts"] > 0)


def _claim_on(row: Head, *, repeats: bool = False) -> Claim:
    address = row["migrated_to"] or row["chat_id"]
    return Claim(
        outgoing=Outgoing(row["id"], address, row["text"], repeats),
        token=row["token"],
        chat_id=row["chat_id"],
        claimed_by=row["claimed_by"],
        claimed_at=row["claimed_at"],
        attempt=row["attempts"],
        request_id=row["request_id"],
    )
