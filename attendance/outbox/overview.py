"""What holds each chat up, and how fast messages go out: for a person who watches.

Made to be asked every second: it reads what waits and the latest attempts, never the history.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, or_, select

from attendance.outbox import queries
from attendance.outbox.models import IS_UNSETTLED, Attempt, Message, Stoppage, literal_status

_ATTENTION = Message.status.in_(literal_status("failed", "uncertain", "cancelled"))
_LATEST = 10_000


@dataclass(frozen=True, slots=True)
class Overview:
    """`stopped` says why nothing goes out to anybody; `chats` are rows as of `listing.chats`, each
    with its `state`."""

    counts: Mapping[str, int]
    sent_last_minute: int
    oldest_due_age_seconds: float | None
    stopped: str | None
    chats: list[dict[str, Any]]


def overview(connection: Connection, now: datetime) -> Overview:
    return Overview(
        counts=_counts(connection),
        sent_last_minute=_sent_since(connection, now - timedelta(minutes=1)),
        oldest_due_age_seconds=queries.oldest_due_age(connection, now),
        stopped=_stopped(connection, now),
        chats=[{**chat, "state": state_of(chat, now)} for chat in queries.chats(connection)],
    )


def state_of(chat: Mapping[str, Any], now: datetime) -> str:
    """In words whether messages go out to this chat, and why not; of a chat that was paused, the
    reason that was given."""
    if chat["migrated_to"]:
        return f"moved to {chat['migrated_to']}"
    if chat["parked_at"]:
        return _parked_state(chat)
    if chat["hold_until"] and chat["hold_until"] > now:
        return f"told to wait {_seconds(chat['hold_until'], now)} s: {chat['hold_reason']}"
    if chat["waiting"] and chat["next_at"] and chat["next_at"] > now:
        return f"held {_seconds(chat['next_at'], now)} s by its rate"
    return "open"


def _parked_state(chat: Mapping[str, Any]) -> str:
    """As `parking.IS_PAUSED` tells them apart."""
    reason: str = chat["park_reason"]
    if chat["probe_at"] or chat["refused_since"]:
        return f"refuses us: {reason}"
    return reason if reason.startswith("paused") else f"paused: {reason}"


def _seconds(until: datetime, now: datetime) -> int:
    return round((until - now).total_seconds()) or 1


def _counts(connection: Connection) -> dict[str, int]:
    """By status, of what is not sent: each condition is that of an index."""
    counts = dict.fromkeys(("pending", "sending", "failed", "uncertain", "cancelled"), 0)
    for condition in (IS_UNSETTLED, _ATTENTION):
        grouped = select(Message.status, func.count()).where(condition).group_by(Message.status)
        counts |= dict(connection.execute(grouped).all())
    return counts


def _sent_since(connection: Connection, since: datetime) -> int:
    latest = (
        select(Attempt.ended_at, Attempt.outcome).order_by(Attempt.id.desc()).limit(_LATEST)
    ).subquery()
    sent = select(func.count()).where(latest.c.outcome == "delivered", latest.c.ended_at >= since)
    return connection.scalar(sent) or 0


def _stopped(connection: Connection, now: datetime) -> str | None:
    lasting = or_(Stoppage.ended_at.is_(None), Stoppage.ended_at > now)
    newest = select(Stoppage.reason, Stoppage.error).where(lasting).order_by(Stoppage.id.desc())
    found = connection.execute(newest.limit(1)).first()
    if found is None:
        return None
    return f"{found.reason}: {found.error}" if found.error else str(found.reason)
