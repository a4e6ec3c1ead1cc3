"""Copy all rows from one database into another, as they are."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, Table, func, select

from attendance.db import bulk
from attendance.relocation.tables import TABLES, counted_ids, pages

Progress = Callable[[int], object]


def copy(source: Connection, target: Connection, progress: Progress) -> None:
    """Copy every table, in the target's transaction; ids go on from where the source's were.
    `progress` is called for each page, with its number of rows.

    Raises:
        DatabaseError: the target refuses a row.
    """
    last_ids = counted_ids(source)
    with bulk.left_alone(target, TABLES):
        for table in TABLES:
            bulk.copy_in(target, table, _rows(source, table, progress))
            if table.name in last_ids:
                there = target.scalar(select(func.max(table.c.id))) or 0
                bulk.continue_after(target, table, max(last_ids[table.name], there))
    # Else the server plans its first queries as if the tables were empty.
    target.exec_driver_sql("ANALYZE")


def _rows(source: Connection, table: Table, progress: Progress) -> Iterator[tuple[Any, ...]]:
    with closing(pages(source, table)) as found:
        for page in found:
            yield from page
            progress(len(page))
