"""Signs of life of the dispatchers: where there is one file of data, files beside it; where several
hosts share a server, rows."""

import os
from datetime import datetime

from attendance.db import Database, SqliteDatabase
from attendance.outbox import heartbeat_files, heartbeat_rows
from attendance.outbox.heartbeat_files import FileHeartbeat
from attendance.outbox.heartbeat_rows import RowHeartbeat

Heartbeat = FileHeartbeat | RowHeartbeat


def heartbeat_of(database: Database, name: str) -> Heartbeat:
    """For a dispatcher to `beat`, often, and to `stop`."""
    if isinstance(database, SqliteDatabase):
        return FileHeartbeat(database.path, name)
    return RowHeartbeat(database, name)


def last_beats(database: Database) -> dict[str, datetime]:
    """When each dispatcher last gave a sign of life, by name. What a killed one leaves is forgotten
    after a day."""
    if isinstance(database, SqliteDatabase):
        return heartbeat_files.last_beats(database.path)
    with database.snapshot() as connection:
        return heartbeat_rows.last_beats(connection)


def dispatcher_name(host: str) -> str:
    """A name for this process's dispatcher: host and process."""
    return f"{host}-{os.getpid()}"
