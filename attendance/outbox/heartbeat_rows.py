"""A sign of life that other hosts can see: a row, written so seldom that it costs nothing."""

import time
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update

from attendance.db import Database, DatabaseError, insert_or_ignore
from attendance.outbox.models import Beat

BEAT_SECONDS = 15.0
_PATIENCE_SECONDS = 1.0
_FORGET_AFTER = timedelta(days=1)


class RowHeartbeat:
    """One dispatcher's row. Written at most every 15 s."""

    def __init__(self, database: Database, name: str) -> None:
        self._database, self._name = database, name
        self._beaten_at = float("-inf")

    def beat(self) -> None:
        if time.monotonic() - self._beaten_at < BEAT_SECONDS:
            return
        now = self._database.clock()
        self._database.write(lambda c: _beat(c, now, self._name), _PATIENCE_SECONDS)
        self._beaten_at = time.monotonic()

    def stop(self) -> None:
        gone = delete(Beat).where(Beat.name == self._name)
        with suppress(DatabaseError):  # it is forgotten after a day
            self._database.write(lambda c: c.execute(gone).rowcount, _PATIENCE_SECONDS)


def last_beats(connection: Connection) -> dict[str, datetime]:
    """Return when each dispatcher last gave a sign of life, by name."""
    rows = connection.execute(select(Beat.name, Beat.beaten_at))
    return {row.name: row.beaten_at for row in rows}


def _beat(connection: Connection, now: datetime, name: str) -> None:
    """Write the sign of life, and remove the rows that killed dispatchers left a day ago."""
    connection.execute(delete(Beat).where(Beat.beaten_at < now - _FORGET_AFTER))
    if not insert_or_ignore(connection, Beat.__table__, {"name": name, "beaten_at": now}):
        connection.execute(update(Beat).where(Beat.name == name).values(beaten_at=now))
