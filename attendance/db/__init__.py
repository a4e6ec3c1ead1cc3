"""The database: one function to write through, one to read through, and UTC time.

Knows SQLAlchemy and the files, and nothing of what is stored.
"""

from attendance.db.base import Base, UtcTime, format_utc, json_form, parse_utc, utc_now
from attendance.db.database import Database
from attendance.db.engines import assert_no_connections
from attendance.db.errors import DatabaseError, NoDatabase, TooBusy, Unavailable
from attendance.db.files import BadDatabaseUrl
from attendance.db.prepared import Prepared

__all__ = [
    "BadDatabaseUrl",
    "Base",
    "Database",
    "DatabaseError",
    "NoDatabase",
    "Prepared",
    "TooBusy",
    "Unavailable",
    "UtcTime",
    "assert_no_connections",
    "format_utc",
    "json_form",
    "parse_utc",
    "utc_now",
]
