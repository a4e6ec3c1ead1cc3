"""API keys: create, find, rotate and revoke them. A key is shown once and kept as its SHA-256.

A key is 32 random bytes, so a plain hash is enough: it cannot be guessed. May import `audit`,
`models` and the lines below them.
"""

import hashlib
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, insert, or_, select, update

from attendance import audit
from attendance.db import Database, Prepared
from attendance.models import ApiKey, Role

PREFIX = "att_"
_USE_NOTED_EVERY = timedelta(minutes=1)


class NoSuchKey(Exception):
    """There is no live key of that name or id."""


class NameTaken(Exception):
    """A live key has that name already."""


class BadName(Exception):
    """The name looks like an id, is too long or empty, or cannot be printed."""


@dataclass(frozen=True, slots=True)
class Key:
    """Who presented a key. A client's own ids are unique within the `lineage`, which a rotation
    keeps."""

    id: int
    lineage: int
    name: str
    role: Role
    last_used_at: datetime | None

    @property
    def actor(self) -> audit.Actor:
        return audit.Actor("key", str(self.id), self.name)


_live_key = Prepared(
    select(ApiKey.id, ApiKey.lineage, ApiKey.name, ApiKey.role, ApiKey.last_used_at).where(
        ApiKey.key_hash == bindparam("key_hash"), ApiKey.revoked_at.is_(None)
    )
)


def find(connection: Connection, presented: str) -> Key | None:
    """Return the live key that was presented, or None."""
    row = _live_key.first(connection, {"key_hash": _hash(presented)})
    return None if row is None else Key(*row)


def note_use(connection: Connection, now: datetime, key: Key) -> None:
    """Store when the key was last used, to the minute: in a unit of work that commits anyway."""
    if _is_worth_noting(now, key):
        connection.execute(update(ApiKey).where(ApiKey.id == key.id).values(last_used_at=now))


class Uses:
    """When keys were used by requests that write nothing: kept in memory, and written by a
    background task. One for each process; any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: dict[int, datetime] = {}

    def note(self, now: datetime, key: Key) -> None:
        """Do the same as `note_use`, to the minute, without any I/O."""
        if _is_worth_noting(now, key):
            with self._lock:
                self._latest[key.id] = now

    def write(self, database: Database) -> None:
        """Write what came since the last time, if anything did, in one transaction. What cannot be
        written is left to the key's next use."""
        with self._lock:
            latest, self._latest = self._latest, {}
        if latest:
            database.write(partial(_note_uses, latest=latest))


def _note_uses(connection: Connection, latest: Mapping[int, datetime]) -> None:
    # In the order of their ids, so that no two processes wait for each other.
    for key_id, at in sorted(latest.items()):
        older = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < at)
        connection.execute(update(ApiKey).where(ApiKey.id == key_id, older).values(last_used_at=at))


def _is_worth_noting(now: datetime, key: Key) -> bool:
    return key.last_used_at is None or now - key.last_used_at > _USE_NOTED_EVERY


def create(
    connection: Connection,
    now: datetime,
    context: audit.Context,
    *,
    name: str,
    role: Role,
    random_token: Callable[[], str],
) -> str:
    """Create a key and return it; only its hash is stored.

    Raises:
        NameTaken: a live key has this name.
        BadName: it is blank, longer than 64 characters, all digits, or not printable.
    """
    if not 1 <= len(name.strip()) <= len(name) <= 64 or not name.isprintable() or name.isdecimal():
        raise BadName(name)
    # Of two at once the unique index refuses one, whose work is run again and then finds the other.
    if connection.scalar(select(ApiKey.id).where(ApiKey.name == name, _is_live())) is not None:
        raise NameTaken(name)
    key = PREFIX + random_token()
    key_id = _insert(connection, now, name, role, key, lineage=None)
    audit.append(
        connection,
        now,
        context,
        "key.created",
        target=("api_key", key_id),
        after={"name": name, "role": role},
    )
    return key


def rotate(
    connection: Connection,
    now: datetime,
    context: audit.Context,
    *,
    name_or_id: str,
    random_token: Callable[[], str],
) -> str:
    """Replace a live key by a new one of the same name, role and lineage, and return that.

    Raises:
        NoSuchKey: there is no such live key.
    """
    old = _live(connection, name_or_id)
    _revoke(connection, now, old.id)
    key = PREFIX + random_token()
    key_id = _insert(connection, now, old.name, old.role, key, lineage=old.lineage)
    audit.append(
        connection,
        now,
        context,
        "key.rotated",
        target=("api_key", key_id),
        before={"id": old.id},
        after={"id": key_id, "name": old.name, "role": old.role},
    )
    return key


def revoke(connection: Connection, now: datetime, context: audit.Context, name_or_id: str) -> None:
    """End a live key at once, everywhere.

    Raises:
        NoSuchKey: there is no such live key.
    """
    old = _live(connection, name_or_id)
    _revoke(connection, now, old.id)
    audit.append(
        connection,
        now,
        context,
        "key.revoked",
        target=("api_key", old.id),
        before={"name": old.name, "role": old.role},
    )


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Return all keys, the revoked ones too, without their hashes."""
    columns = [column for column in ApiKey.__table__.columns if column.name != "key_hash"]
    rows = connection.execute(select(*columns).order_by(ApiKey.id)).mappings()
    return [dict(row) for row in rows]


def _insert(
    connection: Connection, now: datetime, name: str, role: Role, key: str, lineage: int | None
) -> int:
    values = {"name": name, "role": role, "key_hash": _hash(key), "created_at": now}
    made = insert(ApiKey).values(lineage=lineage or 0, **values).returning(ApiKey.id)
    key_id = connection.execute(made).scalar_one()
    if lineage is None:
        # A lineage has the id of its first key, which is known only now.
        connection.execute(update(ApiKey).where(ApiKey.id == key_id).values(lineage=key_id))
    return key_id


def _live(connection: Connection, name_or_id: str) -> Row[int, str, Role, int]:
    matches: ColumnElement[bool] = ApiKey.name == name_or_id
    if re.fullmatch(r"[0-9]{1,18}", name_or_id):  # more might not fit into 64 bits
        matches = or_(matches, ApiKey.id == int(name_or_id))
    query = select(ApiKey.id, ApiKey.name, ApiKey.role, ApiKey.lineage).where(matches, _is_live())
    # A name comes before an id. The lock keeps two rotations from both finding the key live.
    found = connection.execute(query.order_by(ApiKey.name != name_or_id).with_for_update()).first()
    if found is None:
        raise NoSuchKey(name_or_id)
    return found


def _revoke(connection: Connection, now: datetime, key_id: int) -> None:
    connection.execute(update(ApiKey).where(ApiKey.id == key_id).values(revoked_at=now))


def _is_live() -> ColumnElement[bool]:
    return ApiKey.revoked_at.is_(None)


def _hash(key: str) -> str:
    # What UTF-8 cannot express is not a key: it is not found, and must not fail here.
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
