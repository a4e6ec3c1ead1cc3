"""Seals: a Merkle root over each batch of the trail's rows, each seal naming the one before.

Every sealed row has a leaf with a number of its own, without gaps, in the order of the sealing. The
tables are append-only as the trail is. Each function takes the caller's connection.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Connection,
    Select,
    String,
    bindparam,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from attendance.audit.canonical import as_stored, leaf_hash, plain, seal_hash
from attendance.audit.merkle import root
from attendance.audit.trail import AuditEntry
from attendance.config.secrets import Secret
from attendance.db import Base, Prepared, UtcTime, format_utc, has_concurrent_writers, read_all

GENESIS = "0" * 64
"""What the first seal names as the one before it."""

LONGEST_TRANSACTION = timedelta(seconds=10)
"""On a database whose transactions overlap, an id is given out at most this long before its row can
be seen. What takes longer is found when a sealer starts, and by `verify`."""


class AuditSeal(Base):
    """The seal over the leaves `first_seq` to `last_seq`; hashes are in hexadecimal. `backlog` is 1
    if rows were left for the next seal. `mac` is that of `hash`, with the AUDIT_HMAC_KEY which
    `key_id` names; all other columns go into the hash."""

    __tablename__ = "audit_seal"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed_at: Mapped[datetime] = mapped_column(UtcTime)
    first_seq: Mapped[int]
    last_seq: Mapped[int]
    backlog: Mapped[int]
    root: Mapped[str] = mapped_column(String(64))
    prev_hash: Mapped[str] = mapped_column(String(64), unique=True)
    hash: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[str | None] = mapped_column(String(16))
    mac: Mapped[str | None] = mapped_column(String(64))

    __table_args__ = (CheckConstraint("last_seq >= first_seq", name="not_empty"),)


class AuditLeaf(Base):
    """The hash of one row of the trail, at its place in the order of the sealing."""

    __tablename__ = "audit_leaf"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    audit_id: Mapped[int] = mapped_column(unique=True)
    hash: Mapped[str] = mapped_column(String(64))


SEAL_COLUMNS = as_stored(AuditSeal.__table__)
ROW_COLUMNS = as_stored(AuditEntry.__table__)
_ROW_NAMES = [str(column.key) for column in ROW_COLUMNS]
_UNHASHED = {"hash", "mac"}
_insert_seal = insert(AuditSeal.__table__)  # type: ignore[arg-type]  # declared as a FromClause
_insert_leaf = insert(AuditLeaf.__table__)  # type: ignore[arg-type]
_OLDEST = text("SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database()")
_above = Prepared(select(AuditEntry.id).where(AuditEntry.id > bindparam("id")).limit(1))
_newest = select(*SEAL_COLUMNS).order_by(AuditSeal.id.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class Batch:
    """A seal that is to be written, with its leaves."""

    seal: dict[str, Any]
    leaves: list[dict[str, Any]]


def head(connection: Connection) -> dict[str, Any] | None:
    """Read the newest seal, its time as text; None if nothing was ever sealed."""
    return _first(connection, _newest)


def first_id(connection: Connection) -> int | None:
    """Return the id of the oldest seal that is kept."""
    return connection.scalar(select(func.min(AuditSeal.id)))


def one(connection: Connection, seal_id: int) -> dict[str, Any] | None:
    """Read one seal, its time as text."""
    return _first(connection, select(*SEAL_COLUMNS).where(AuditSeal.id == seal_id))


def _first(connection: Connection, query: Select[*tuple[Any, ...]]) -> dict[str, Any] | None:
    found = read_all(connection, query)
    return plain(found[0]._asdict()) if found else None


def without_leaf(columns: Sequence[Any]) -> Select[*tuple[Any, ...]]:
    """Select the rows that have no leaf, whatever id a stranger may have given them."""
    sealed = select(AuditLeaf.seq).where(AuditLeaf.audit_id == AuditEntry.id).exists()
    return select(*columns).select_from(AuditEntry).where(~sealed)


def unsealed(columns: Sequence[Any], above_id: int) -> Select[*tuple[Any, ...]]:
    """Select the rows above an id that have no leaf."""
    # By what is missing, and not as "greater than the last id": a row may become visible after one
    # with a greater id.
    return without_leaf(columns).where(AuditEntry.id > above_id)


def any_above(connection: Connection, above_id: int) -> bool:
    """Tell whether there are rows above an id, sealed or not."""
    return _above.first(connection, {"id": above_id}) is not None


def settled_id(connection: Connection, now: datetime) -> int:
    """Return an id below which no row can become visible any more: one that was sealed longer ago
    than any transaction lasts. 0 if there is none."""
    eldest = min(now, _oldest_transaction(connection) or now)
    old = select(AuditSeal.first_seq, AuditSeal.last_seq).where(
        AuditSeal.sealed_at < eldest - LONGEST_TRANSACTION
    )
    seal = connection.execute(old.order_by(AuditSeal.id.desc()).limit(1)).first()
    if seal is None:
        return 0
    highest = select(func.max(AuditLeaf.audit_id)).where(
        AuditLeaf.seq.between(seal.first_seq, seal.last_seq)
    )
    return connection.scalar(highest) or 0


def _oldest_transaction(connection: Connection) -> datetime | None:
    """Return when the transaction began that has been open for longest; None on a database where
    transactions do not overlap."""
    # Those of other roles are seen only by a role that may read all of `pg_stat_activity`; for what
    # we do not see, LONGEST_TRANSACTION has to do.
    return connection.scalar(_OLDEST) if has_concurrent_writers(connection) else None


def prepare(
    connection: Connection, now: datetime, key: Secret | None, above_id: int, limit: int
) -> Batch | None:
    """Prepare the next seal, over at most `limit` rows; None if there is nothing to seal. Only
    reads."""
    query = unsealed(ROW_COLUMNS, above_id).order_by(AuditEntry.id).limit(limit + 1)
    rows = [row_of(values) for values in read_all(connection, query)]
    if not rows:
        return None
    before = head(connection)
    first = 1 if before is None else before["last_seq"] + 1
    leaves = [
        {"seq": seq, "audit_id": row["id"], "hash": leaf_hash(row).hex()}
        for seq, row in enumerate(rows[:limit], first)
    ]
    seal = {
        "id": 1 if before is None else before["id"] + 1,
        "sealed_at": format_utc(now),
        "first_seq": first,
        "last_seq": leaves[-1]["seq"],
        "backlog": int(len(rows) > limit),
        "root": root(bytes.fromhex(leaf["hash"]) for leaf in leaves).hex(),
        "prev_hash": GENESIS if before is None else before["hash"],
        "key_id": key and key_id_of(key),
    }
    digest = hash_of(seal)
    return Batch({**seal, "hash": digest, "mac": key and mac_of(key, digest)}, leaves)


def append(connection: Connection, now: datetime, batch: Batch) -> bool:
    """Write the seal and its leaves. False, and nothing is written, if somebody else has sealed
    meanwhile. `now` is the time that the batch was prepared with."""
    newest = head(connection)
    if (GENESIS if newest is None else newest["hash"]) != batch.seal["prev_hash"]:
        return False
    connection.execute(_insert_leaf, batch.leaves)
    connection.execute(_insert_seal, {**batch.seal, "sealed_at": now})
    return True


def row_of(values: Iterable[Any]) -> dict[str, Any]:
    """Make a row of the trail from what a query for ROW_COLUMNS gave."""
    return dict(zip(_ROW_NAMES, values, strict=True))


def hash_of(seal: Mapping[str, Any]) -> str:
    """Compute the seal's `hash` from its columns as they are stored."""
    return seal_hash({name: seal[name] for name in seal if name not in _UNHASHED}).hex()


def key_id_of(key: Secret) -> str:
    """Name the key, so that seals signed with another one can be told apart."""
    return _hmac(key, b"attendance-audit key")[:16]


def mac_of(key: Secret, digest: str) -> str:
    """Compute the seal's `mac`: HMAC-SHA-256 of the hash's 32 bytes."""
    return _hmac(key, bytes.fromhex(digest))


def _hmac(key: Secret, message: bytes) -> str:
    return hmac.new(key.reveal().encode(), message, hashlib.sha256).hexdigest()
