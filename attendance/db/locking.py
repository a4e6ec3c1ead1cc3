"""Locks that are not on rows, for where transactions overlap: on SQLite they never do."""

from sqlalchemy import Connection, func, select


def transactions_overlap(connection: Connection) -> bool:
    """Whether others may write while this transaction does."""
    return connection.dialect.name != "sqlite"


def alone_at(connection: Connection, name: str) -> None:
    """Wait until no other transaction is at `name`, and be there alone until this one ends."""
    if transactions_overlap(connection):
        connection.execute(select(func.pg_advisory_xact_lock(_number_of(name))))


def try_alone_at(connection: Connection, name: str) -> bool:
    """The same without a wait; False where another is there."""
    if not transactions_overlap(connection):
        return True
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(_number_of(name)))))


def _number_of(name: str) -> object:
    return func.hashtextextended(name, 0)
