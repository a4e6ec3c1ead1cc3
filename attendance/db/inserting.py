"""Insert a row unless it is there already, on each database."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, FromClause
from sqlalchemy.dialects import postgresql, sqlite

_INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def insert_or_ignore(connection: Connection, table: FromClause, row: Mapping[str, Any]) -> bool:
    """Insert the row, unless one with the same key is there, or comes at the same time; tell
    whether it was inserted."""
    insert: Any = _INSERTS[connection.dialect.name]
    given_way = insert(table).values(**row).on_conflict_do_nothing()
    # SQLAlchemy forgets the row count of an INSERT unless it is told to keep it.
    made = connection.execute(given_way, execution_options={"preserve_rowcount": True})
    return made.rowcount > 0
