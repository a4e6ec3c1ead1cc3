"""Locks that are not on rows, for a database on which writers overlap: on SQLite they never do."""

from sqlalchemy import Connection, String, bindparam, func, select

from attendance.db.fast.prepared import Prepared

# PostgreSQL knows such locks by a number of 64 bits. Two names that share one are one lock.
_number = func.hashtextextended(bindparam("name", type_=String), 0)
_lock = Prepared(select(func.pg_advisory_xact_lock(_number).label("locked")))
_try_lock = Prepared(select(func.pg_try_advisory_xact_lock(_number).label("locked")))


def has_concurrent_writers(connection: Connection) -> bool:
    """Tell whether others may write while this transaction does."""
    return connection.dialect.name != "sqlite"


def advisory_lock(connection: Connection, name: str) -> None:
    """Wait until no other transaction holds the lock `name`, and hold it until this one ends."""
    if has_concurrent_writers(connection):
        _lock(connection, {"name": name})


def try_advisory_lock(connection: Connection, name: str) -> bool:
    """Take the lock `name` as above, but do not wait: False if another transaction holds it."""
    if not has_concurrent_writers(connection):
        return True
    return bool(_try_lock.first(connection, {"name": name}).locked)
