"""Locks that are not on rows, for where transactions overlap: on SQLite they never do."""

from sqlalchemy import Connection, String, bindparam, func, select

from attendance.db.prepared import Prepared

_number = func.hashtextextended(bindparam("name", type_=String), 0)
_lock = Prepared(select(func.pg_advisory_xact_lock(_number).label("locked")))
_try_lock = Prepared(select(func.pg_try_advisory_xact_lock(_number).label("locked")))


def transactions_overlap(connection: Connection) -> bool:
    """Whether others may write while this transaction does."""
    return connection.dialect.name != "sqlite"


def alone_at(connection: Connection, name: str) -> None:
    """Wait until no other transaction is at `name`, and be there alone until this one ends."""
    if transactions_overlap(connection):
        _lock(connection, {"name": name})


def try_alone_at(connection: Connection, name: str) -> bool:
    """The same without a wait; False where another is there."""
    if not transactions_overlap(connection):
        return True
    return bool(_try_lock.first(connection, {"name": name}).locked)
