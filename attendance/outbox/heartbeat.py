"""Signs of life of the dispatchers: files where the database is one, rows where hosts share it."""

import os
from datetime import datetime, timedelta

from attendance.db import Database, SqliteDatabase
from attendance.outbox import heartbeat_files, heartbeat_rows
from attendance.outbox.heartbeat_files import FileHeartbeat
from attendance.outbox.heartbeat_rows import RowHeartbeat

Heartbeat = FileHeartbeat | RowHeartbeat

SILENT_AFTER = timedelta(seconds=60)
"""A dispatcher that gave no sign of life for this long is not at work."""


def heartbeat_of(database: Database, name: str) -> Heartbeat:
    """Make the heartbeat of one dispatcher, which calls `beat` often and `stop` at its end."""
    if isinstance(database, SqliteDatabase):
        return FileHeartbeat(database.path, name)
    return RowHeartbeat(database, name)


def last_beats(database: Database) -> dict[str, datetime]:
    """Return when each dispatcher last gave a sign of life, by name. What a killed one leaves is
    forgotten after a day."""
    if isinstance(database, SqliteDatabase):
        return heartbeat_files.last_beats(database.path)
    with database.snapshot() as connection:
        return heartbeat_rows.last_beats(connection)


def live_dispatchers(database: Database, now: datetime) -> list[str]:
    """List the names of the dispatchers that are at work: for whoever must not come between."""
    beats = last_beats(database).items()
    return sorted(name for name, beaten_at in beats if beaten_at > now - SILENT_AFTER)


def dispatcher_name(host: str) -> str:
    """Name this process's dispatcher by its host and process."""
    return f"{host}-{os.getpid()}"
