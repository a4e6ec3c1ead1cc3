"""Bring a whole database from SQLite to PostgreSQL, with nothing lost and nothing changed.

May import `audit`, `outbox`, `db` and `config`. It goes in this order, so that whatever dies in
between, a service runs on neither database or on the right one, and the same command goes on:

1. the target is created, and refused unless it is empty (`target.prepare`);
2. the source is closed to writers, whoever they are, and its trail sealed (`source.close`);
3. the target is marked, so that nobody starts on it (`target.reserve`);
4. all rows are copied in one transaction, read again on both sides and compared (`copying`,
   `comparing`);
5. the source is marked as moved (`source.finish`), and then the target as arrived (`target.open_`).
"""

from attendance.relocation.errors import CannotMove
from attendance.relocation.move import Bar, Move
from attendance.relocation.source import reopen, way_on

__all__ = ["Bar", "CannotMove", "Move", "reopen", "way_on"]
