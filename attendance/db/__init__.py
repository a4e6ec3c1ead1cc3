"""The database: one function to write through, two to read through, and UTC time.

`sqlite` and `postgres` are the two kinds; what they share lies beside them. May import `config`.
Knows SQLAlchemy, and nothing of what is stored.
"""

from attendance.db.base import Base, UtcTime, partial_index, utc_now
from attendance.db.database import BRIEF_WRITE_SECONDS, Database
from attendance.db.disk import sync_directory
from attendance.db.errors import (
    BadDatabaseUrl,
    Damaged,
    DatabaseError,
    Denied,
    Moved,
    NoDatabase,
    Replaced,
    TooBusy,
    Unavailable,
)
from attendance.db.fast.prepared import Prepared
from attendance.db.forks import assert_no_connections
from attendance.db.inserting import insert_or_ignore
from attendance.db.locking import advisory_lock, has_concurrent_writers, try_advisory_lock
from attendance.db.planning import force_generic_plan
from attendance.db.postgres import PostgresDatabase, bulk
from attendance.db.reading import read_all
from attendance.db.sqlite import SqliteDatabase
from attendance.db.text import format_utc, json_form, parse_utc

__all__ = [
    "BRIEF_WRITE_SECONDS",
    "BadDatabaseUrl",
    "Base",
    "Damaged",
    "Database",
    "DatabaseError",
    "Denied",
    "Moved",
    "NoDatabase",
    "PostgresDatabase",
    "Prepared",
    "Replaced",
    "SqliteDatabase",
    "TooBusy",
    "Unavailable",
    "UtcTime",
    "advisory_lock",
    "assert_no_connections",
    "bulk",
    "force_generic_plan",
    "format_utc",
    "has_concurrent_writers",
    "insert_or_ignore",
    "json_form",
    "parse_utc",
    "partial_index",
    "read_all",
    "sync_directory",
    "try_advisory_lock",
    "utc_now",
]
