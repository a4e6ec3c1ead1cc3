"""Which rows are moved, each in a form that both databases can give it.

Times and days are text as SQLite stores them, booleans are 1 or 0; everything else is what both
drivers have: text, whole numbers, floats, None.
"""

from collections.abc import Generator, Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Date,
    Integer,
    Select,
    String,
    Table,
    cast,
    func,
    select,
    type_coerce,
)
from sqlalchemy.types import NullType

# Each import puts its tables into the metadata: one that is missing here would not be moved.
from attendance import audit, models  # noqa: F401
from attendance.db import Base, UtcTime
from attendance.db.relocation import Relocation
from attendance.maintenance import run_claims  # noqa: F401
from attendance.outbox import models as outbox_models  # noqa: F401

PAGE = 2_000
"""How many rows are in memory at once."""

Page = list[tuple[Any, ...]]

TABLES: Sequence[Table] = tuple(
    table for table in Base.metadata.sorted_tables if table is not Relocation.__table__
)
"""All tables, in such an order that a row comes after those that it refers to."""


def count(connection: Connection) -> int:
    """Return how many rows there are in all tables."""
    return sum(connection.scalar(select(func.count()).select_from(one)) or 0 for one in TABLES)


def is_empty(connection: Connection) -> bool:
    return not any(connection.execute(select(1).select_from(one).limit(1)).all() for one in TABLES)


def pages(connection: Connection, table: Table) -> Generator[Page]:
    """Yield all rows of a table in the order of its key, a page at a time. The caller closes it."""
    query = _by_key(connection, table)
    with connection.execute(query, execution_options={"yield_per": PAGE}) as rows:
        for page in rows.partitions():
            yield [tuple(row) for row in page]


def key_of(table: Table, row: Sequence[Any]) -> tuple[Any, ...]:
    """Return the columns of a row by which it is known."""
    pairs = zip(table.columns, row, strict=True)
    return tuple(value for column, value in pairs if column.primary_key)


def counted_ids(connection: Connection) -> dict[str, int]:
    """Return the last id that each table of a SQLite database has given out, also to rows since
    gone."""
    return dict(connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence").all())


def _by_key(connection: Connection, table: Table) -> Select[*tuple[Any, ...]]:
    if connection.dialect.name == "sqlite":
        # Of no type: the driver's own values, which SQLAlchemy does not convert.
        columns = [type_coerce(column, NullType()) for column in table.columns]
        return select(*columns).order_by(*table.primary_key)
    shown = [_as_in_sqlite(column).label(column.key) for column in table.columns]
    return select(*shown).order_by(*map(_bytewise, table.primary_key))


def _as_in_sqlite(column: ColumnElement[Any]) -> ColumnElement[Any]:
    match column.type:
        case UtcTime():
            in_utc = func.timezone("UTC", column)
            return func.to_char(in_utc, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"', type_=String)
        case Date():
            return func.to_char(column, "YYYY-MM-DD", type_=String)
        case Boolean():
            return cast(column, Integer)
        case _:
            return type_coerce(column, NullType())


def _bytewise(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Order text by its bytes, as SQLite does, whatever language the server is set to."""
    return column.collate("C") if isinstance(column.type, String) else column
