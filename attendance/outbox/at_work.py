"""Whether somebody delivers at this moment, for those who must not come in between."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from attendance.db import Database
from attendance.outbox import heartbeat
from attendance.outbox.models import Message, literal_status

SILENT_AFTER = timedelta(seconds=60)
"""A dispatcher that gave no sign of life for this long is not at work."""


def last_lease_ends(connection: Connection, now: datetime) -> datetime | None:
    """When the last of the claims ends that are live; None where none is."""
    live = Message.status.in_(literal_status("sending")), Message.due_at > now
    return connection.scalar(select(func.max(Message.due_at)).where(*live))


def live_dispatchers(database: Database, now: datetime) -> list[str]:
    """The names of the dispatchers that are at work."""
    beats = heartbeat.last_beats(database).items()
    return sorted(name for name, beaten_at in beats if beaten_at > now - SILENT_AFTER)
