"""The database: one function to write through, one to read through, and UTC time.

`sqlite` and `postgres` each keep one; what they share lies beside them. Knows SQLAlchemy, and
nothing of what is stored.
"""

from attendance.db.base import Base, UtcTime, only_where, utc_now
from attendance.db.database import Database
from attendance.db.disk import sync_directory
from attendance.db.errors import (
    BadDatabaseUrl,
    DatabaseError,
    Denied,
    Moved,
    NoDatabase,
    TooBusy,
    Unavailable,
)
from attendance.db.forks import assert_no_connections
from attendance.db.inserting import insert_unless_there
from attendance.db.locking import alone_at, transactions_overlap, try_alone_at
from attendance.db.planning import keep_plans
from attendance.db.postgres import PostgresDatabase, bulk
from attendance.db.prepared import Prepared
from attendance.db.reading import read_all
from attendance.db.sqlite import SqliteDatabase
from attendance.db.text import format_utc, json_form, parse_utc

__all__ = [
    "BadDatabaseUrl",
    "Base",
    "Database",
    "DatabaseError",
    "Denied",
    "Moved",
    "NoDatabase",
    "PostgresDatabase",
    "Prepared",
    "SqliteDatabase",
    "TooBusy",
    "Unavailable",
    "UtcTime",
    "alone_at",
    "assert_no_connections",
    "bulk",
    "format_utc",
    "insert_unless_there",
    "json_form",
    "keep_plans",
    "only_where",
    "parse_utc",
    "read_all",
    "sync_directory",
    "transactions_overlap",
    "try_alone_at",
    "utc_now",
]
