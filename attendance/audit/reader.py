"""Read seals and leaves as they are stored, in memory that does not grow with them.

Read in pages by key, each in a transaction of its own: a long one would keep SQLite's log from
being moved into the database. What is sealed never changes, so pages need not be of one moment.
"""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, Row, select

from attendance.audit.canonical import leaf_hash, plain
from attendance.audit.seals import ROW_COLUMNS, SEAL_COLUMNS, AuditLeaf, AuditSeal, row_of
from attendance.audit.trail import AuditEntry
from attendance.audit.verifier import Leaf, is_well_formed
from attendance.db import Database, read_all

_PAGE = 2000
_OWN_ID = [column.key for column in ROW_COLUMNS].index("id")
"""Where in a row of the trail its id is, which is null if a leaf has no row."""

Progress = Callable[[int], object]


def paired(
    found: Iterator[dict[str, Any]], leaves: Iterator[Leaf]
) -> Iterator[tuple[dict[str, Any], list[Leaf]]]:
    """Yield each seal with the leaves under it. Leaves between two seals are left out: their seal
    is missing, and that is found by its id."""
    leaf = next(leaves, None)
    for seal in found:
        under: list[Leaf] = []
        if is_well_formed(seal):
            while leaf is not None and leaf.seq <= seal["last_seq"]:
                if leaf.seq >= seal["first_seq"]:
                    under.append(leaf)
                leaf = next(leaves, None)
        yield seal, under


def read_seals(database: Database, first_id: int, last_id: int) -> Iterator[dict[str, Any]]:
    while first_id <= last_id:
        page = select(*SEAL_COLUMNS).where(AuditSeal.id.between(first_id, last_id))
        with database.snapshot() as connection:
            rows = read_all(connection, page.order_by(AuditSeal.id).limit(_PAGE))
        if not rows:
            return
        yield from (plain(row._asdict()) for row in rows)
        first_id = rows[-1].id + 1


def read_leaves(
    database: Database, first_seq: int, last_seq: int, progress: Progress
) -> Iterator[Leaf]:
    while first_seq <= last_seq:
        with database.snapshot() as connection:
            page = _page(connection, first_seq, last_seq)
        if not page:
            return
        yield from page
        progress(len(page))
        first_seq = page[-1].seq + 1


_with_row = (
    select(AuditLeaf.seq, AuditLeaf.audit_id, AuditLeaf.hash, *ROW_COLUMNS)
    .outerjoin(AuditEntry, AuditEntry.id == AuditLeaf.audit_id)
    .order_by(AuditLeaf.seq)
)


def _page(connection: Connection, first_seq: int, last_seq: int) -> list[Leaf]:
    query = _with_row.where(AuditLeaf.seq.between(first_seq, last_seq)).limit(_PAGE)
    return [_leaf(row) for row in read_all(connection, query)]


def read_rows(
    database: Database, first_seq: int, last_seq: int
) -> list[tuple[int, int, str, dict[str, Any] | None]]:
    """Read leaves as `seq`, `audit_id` and `hash`, each with its row, or None if that is gone."""
    query = _with_row.where(AuditLeaf.seq.between(first_seq, last_seq))
    with database.snapshot() as connection:
        found = read_all(connection, query)
    return [
        (row.seq, row.audit_id, row.hash, None if row.id is None else row_of(row[3:]))
        for row in found
    ]


def _leaf(row: Row[*tuple[Any, ...]]) -> Leaf:
    seq, audit_id, digest, *values = row
    if values[_OWN_ID] is None:
        return Leaf(seq, audit_id, digest, None)
    return Leaf(seq, audit_id, digest, leaf_hash(row_of(values)).hex())
