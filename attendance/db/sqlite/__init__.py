"""SQLite: one file, one writer at a time, and as many readers as there are.

Knows the file and its locks. Nobody outside `db` imports it, except for what only a file has.
"""

from attendance.db.sqlite.database import SqliteDatabase

__all__ = ["SqliteDatabase"]
