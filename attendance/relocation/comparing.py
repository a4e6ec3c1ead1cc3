"""Compare two databases, to the byte."""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from sqlalchemy import Connection, Table

from attendance.relocation.errors import CannotMove
from attendance.relocation.tables import TABLES, Page, key_of, pages

Progress = Callable[[int], object]
_NOTHING: Page = []


@dataclass(frozen=True, slots=True)
class Compared:
    """A table that is the same on both sides. `sha256` is the hash of its rows, in the order of
    their keys, as one JSON array of arrays without white space."""

    table: str
    rows: int
    sha256: str


def compare(source: Connection, target: Connection, progress: Progress) -> list[Compared]:
    """Read every table on both sides and compare counts and hashes. `progress` is called for each
    page, with its number of rows.

    Raises:
        CannotMove: they differ; the message names the first row that does.
    """
    return [_compare(source, target, table, progress) for table in TABLES]


def _compare(source: Connection, target: Connection, table: Table, progress: Progress) -> Compared:
    here, there = _Digest(), _Digest()
    with closing(pages(source, table)) as ours, closing(pages(target, table)) as theirs:
        for left, right in zip_longest(ours, theirs, fillvalue=_NOTHING):
            here.add(left)
            there.add(right)
            # After each page: the first row that differs is then in this one, and can be named.
            if here.value() != there.value():
                raise CannotMove(_difference(table, left, right))
            progress(len(left))
    return Compared(table.name, here.rows, here.value())


class _Digest:
    """Hash and count the rows that it is given."""

    def __init__(self) -> None:
        self.rows, self._hash = 0, hashlib.sha256(b"[")

    def add(self, page: Page) -> None:
        if page:
            # Without its own brackets, so that all pages together are one array.
            between = b"," if self.rows else b""
            self._hash.update(between + _json(page)[1:-1].encode())
            self.rows += len(page)

    def value(self) -> str:
        whole = self._hash.copy()
        whole.update(b"]")
        return whole.hexdigest()


def _difference(table: Table, left: Page, right: Page) -> str:
    """Say in words how two pages differ; they must not be the same."""
    pairs = zip_longest(left, right)
    ours, theirs = next(pair for pair in pairs if _json(pair[0]) != _json(pair[1]))
    here, there = (None if row is None else key_of(table, row) for row in (ours, theirs))
    if here == there:
        what = f"row {_shown(here)} is not the same"
    elif there is None or (here is not None and here < there):
        what = f"row {_shown(here)} is missing"
    else:
        what = f"row {_shown(there)} is one too many"
    return (
        f"The copy differs: in {table.name}, {what}. Make the other database anew and run this "
        "again, or give the move up with `manage.py db move --cancel`."
    )


def _shown(key: Sequence[Any] | None) -> str:
    return ", ".join(map(str, key or ()))


_json: Callable[[Any], str] = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=lambda value: {"hex": value.hex()}
).encode
