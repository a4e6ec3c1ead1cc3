"""Write rows by the million, with given values and ids.

Each function works in the caller's transaction, whose role must own the tables.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table

from attendance.db.errors import DatabaseError


@contextmanager
def left_alone(connection: Connection, tables: Sequence[Table]) -> Iterator[None]:
    """Keep everybody else from writing to the tables until the end of the transaction; within this
    block no trigger changes or refuses what is written, however long it takes."""
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    for table in tables:
        # This takes the lock that keeps the others from writing, too.
        connection.exec_driver_sql(f"ALTER TABLE {_quoted(connection, table)} DISABLE TRIGGER USER")
    yield  # not in a `finally`: after an error the rollback brings the triggers back
    for table in tables:
        connection.exec_driver_sql(f"ALTER TABLE {_quoted(connection, table)} ENABLE TRIGGER USER")


def copy_in(connection: Connection, table: Table, rows: Iterable[Sequence[Any]]) -> None:
    """Write the rows, each with a value for every column as the driver or SQLite would show it.

    Raises:
        DatabaseError: the server refuses a row; nothing more can be done in the transaction.
    """
    names = ", ".join(connection.dialect.identifier_preparer.quote(c.name) for c in table.columns)
    driver: Any = connection.connection.dbapi_connection
    try:
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY {_quoted(connection, table)} ({names}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)
    except connection.dialect.loaded_dbapi.Error as error:
        reason = getattr(error.diag, "message_primary", None) or str(error).partition("\n")[0]
        raise DatabaseError(f"PostgreSQL refused a row of {table.name}: {reason}.") from None


def continue_after(connection: Connection, table: Table, last_id: int) -> None:
    """Give the next row an id above `last_id`, if the table counts its ids."""
    if last_id:  # a sequence cannot be set to 0
        connection.exec_driver_sql(
            "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)",
            (_quoted(connection, table), last_id),
        )


def _quoted(connection: Connection, table: Table) -> str:
    return connection.dialect.identifier_preparer.format_table(table)
