"""Forget messages that are done with, which were sent or cancelled, and their attempts.

Those that failed, or may have been delivered, wait for a person however old they are.
Each function takes the caller's connection and commits nothing.
"""

from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from attendance.outbox.models import Attempt, Message, literal_status

_DONE = Message.status.in_(literal_status("sent", "cancelled"))


def count(connection: Connection, before: datetime) -> int:
    """Count the messages that were settled before this time and are done with."""
    old = select(func.count()).where(_DONE, Message.settled_at < before)
    return connection.scalar(old) or 0


def is_due(connection: Connection, before: datetime) -> bool:
    """Tell whether there are any: costs the same however many there are."""
    old = select(Message.id).where(_DONE, Message.settled_at < before)
    return connection.scalar(old.limit(1)) is not None


def prune(connection: Connection, before: datetime, limit: int) -> list[int]:
    """Forget up to `limit` of them, first those settled first; return their ids."""
    old = select(Message.id).where(_DONE, Message.settled_at < before)
    ids = list(connection.scalars(old.order_by(Message.settled_at).limit(limit)))
    connection.execute(delete(Attempt).where(Attempt.outbox_id.in_(ids)))
    connection.execute(delete(Message).where(Message.id.in_(ids)))
    return ids
