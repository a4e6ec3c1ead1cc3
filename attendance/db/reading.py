"""Read what a stranger may have written, who need not keep to the type of a column."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, Select
from sqlalchemy.exc import DBAPIError


def read_all(
    connection: Connection, query: Select[*tuple[Any, ...]]
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return all rows that a query finds. A SQLite file may hold text that is not UTF-8: it comes
    as bytes, and the rest can still be read."""
    try:
        return connection.execute(query).all()
    except DBAPIError:
        if connection.dialect.name != "sqlite":
            raise  # a server takes no such text, and has ended the transaction
        with _any_text(connection):
            return connection.execute(query).all()


@contextmanager
def _any_text(connection: Connection) -> Iterator[None]:
    """Decode text in Python within this block, and keep as bytes what is not UTF-8. It is slower:
    only for where it is needed."""
    driver: Any = connection.connection.dbapi_connection
    usual = driver.text_factory
    driver.text_factory = _text_or_bytes
    try:
        yield
    finally:
        driver.text_factory = usual


def _text_or_bytes(stored: bytes) -> str | bytes:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored
