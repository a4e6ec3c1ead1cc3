"""Put messages into the outbox, and tell whether there are some to take out (`claim.claim`).

Each function takes the caller's connection and commits nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from attendance.db import Prepared
from attendance.outbox import circuit_breaker, lanes, rate_limiter
from attendance.outbox.models import IS_UNSETTLED, Message
from attendance.outbox.rate_limits import HORIZON, next_start
from attendance.outbox.types import Policy

_insert_message = Prepared(
    insert(Message.__table__),  # type: ignore[arg-type]  # a Table, declared as FromClause
    *("status", "chat_id", "lane", "thread_id", "silent", "text", "line", "alone"),
    *("subject_type", "subject_id", "request_id", "created_at", "due_at", "give_up_from"),
    *("attempts", "uncertain_attempts"),
)


_homeless = Prepared(select(Message.id).where(Message.lane.is_(None), IS_UNSETTLED).limit(1))


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to be: `chat_id` None waits until a default chat is configured. `line` is its
    short form for a digest. The subject is what it speaks of, kept for whoever follows it back;
    it means nothing to the outbox."""

    chat_id: str | None
    text: str
    subject_type: str
    subject_id: str | None = None
    request_id: str | None = None
    line: str | None = None
    thread_id: int | None = None
    silent: bool = False


def enqueue(connection: Connection, now: datetime, draft: Draft) -> int:
    """Write the message in the caller's transaction; return its id, which is its place in the
    order."""
    chat_id = draft.chat_id
    lane = None if chat_id is None else lanes.open_lane(connection, now, chat_id)
    return _insert_message.inserted(
        connection,
        {
            "status": "pending",
            "chat_id": chat_id,
            "lane": lane,
            "thread_id": draft.thread_id if lane == chat_id else None,
            "silent": draft.silent,
            "text": draft.text,
            "line": draft.line,
            "alone": False,
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


def adopt(connection: Connection, now: datetime, chat_id: str) -> int:
    """Give the messages that waited for a default chat to `chat_id`; return how many there were.

    The time after which they are given up counts from now: it stood still until there was a chat.
    """
    lane = lanes.open_lane(connection, now, chat_id)
    homeless = update(Message).where(Message.chat_id.is_(None), Message.status == "pending")
    adopted = homeless.values(chat_id=chat_id, lane=lane, give_up_from=now)
    return connection.execute(adopted).rowcount


def waits_for_configuration(connection: Connection) -> bool:
    """Tell whether a message has no chat, or its time stands still, for lack of a configuration."""
    is_homeless = _homeless.first(connection, {}) is not None
    return is_homeless or circuit_breaker.is_open(connection, "unconfigured")


def next_due(connection: Connection, now: datetime, policy: Policy) -> datetime | None:
    """Return when there is next something to do: a head to claim, or to give up in a parked lane,
    or, while claims are stopped, a probe. None if nothing waits.

    Only reads: an idle dispatcher takes no lock from anybody.
    """
    stopped = circuit_breaker.current(connection, now)
    if stopped is not None:
        return stopped.until
    times = list(lanes.parked_due(connection, now, policy))
    first = lanes.first_due(connection)
    if first is not None:
        rate = policy.rate_limits.overall
        possible = next_start(rate_limiter.latest(connection, rate), rate, now)
        times.append(max(first, possible - HORIZON))
    return min(times, default=None)
