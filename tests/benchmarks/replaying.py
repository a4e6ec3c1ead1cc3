"""The statements that the service sends for one act, recorded from its driver and played anew by
psycopg alone: what the act costs without the service.

Whatever an answer gave and a later statement sends (an id, a chat) is taken from the new answers;
what the caller makes up (a person, a key, a token) is replaced as the caller says.
"""

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg

Row = tuple[Any, ...]
PERSON, KEY, TOKEN = "the person recorded", "the key recorded", "the token recorded"
"""What a recording is made with, to be replaced."""

_LOCK = "person "
"""Before a person's name: the name of a lock."""

_HIGH_IDS = """SELECT setval(pg_get_serial_sequence(name, 'id'), 1000000)
    FROM unnest(ARRAY['attendance', 'outbox', 'audit', 'outbox_attempt']) AS name"""


@dataclass(frozen=True, slots=True)
class Step:
    """A statement, or a commit where `sql` is empty; `alone`: in no transaction."""

    sql: str = ""
    values: Any = None
    alone: bool = False
    rows: tuple[Row, ...] = ()


def keep(steps: list[Step], path: Path) -> None:
    path.write_bytes(pickle.dumps(steps))


def kept(path: Path) -> list[Step]:
    return list(pickle.loads(path.read_bytes()))  # noqa: S301 - our own


def connected(url: str) -> Any:
    return psycopg.connect(driver_s(url))


def driver_s(url: str) -> str:
    """The URL as psycopg has it, which knows nothing of SQLAlchemy's name for it."""
    return url.replace("+psycopg", "", 1)


def with_high_ids(url: str) -> None:
    """From now on the ids of rows are so high that they are nothing else: a recording tells by its
    values which of them came from an answer."""
    with connected(url) as connection:
        connection.execute(_HIGH_IDS)


@contextmanager
def recording() -> Iterator[list[Step]]:
    """What this process sends to PostgreSQL meanwhile, by whatever connection is open already."""
    steps: list[Step] = []
    execute, commit = psycopg.Cursor.execute, psycopg.Connection.commit

    def noted(cursor: Any, sql: Any, values: Any = None, **options: Any) -> Any:
        execute(cursor, sql, values, **options)
        rows = cursor.fetchall() if cursor.description else []
        if rows:
            cursor.scroll(0, "absolute")
        steps.append(Step(str(sql), values, cursor.connection.autocommit, tuple(rows)))
        return cursor

    def committed(connection: Any) -> None:
        commit(connection)
        steps.append(Step())

    with (
        patch.object(psycopg.Cursor, "execute", noted),
        patch.object(psycopg.Connection, "commit", committed),
    ):
        yield steps


def play(connection: Any, steps: list[Step], made_up: Mapping[str, str]) -> None:
    """`made_up` tells for words of the recording what takes their place."""
    known: dict[Any, Any] = {_LOCK + word: _LOCK + new for word, new in made_up.items()}
    known.update(made_up)
    for step in steps:
        if not step.sql:
            connection.commit()
            continue
        if connection.autocommit != step.alone:
            connection.autocommit = step.alone
        cursor = connection.execute(step.sql, _replaced(step.values, known))
        if step.rows:
            _learn(known, step.rows, cursor.fetchall())


def _replaced(values: Any, known: Mapping[Any, Any]) -> Any:
    if isinstance(values, Mapping):
        return {name: _one(value, known) for name, value in values.items()}
    return None if values is None else [_one(value, known) for value in values]


def _one(value: Any, known: Mapping[Any, Any]) -> Any:
    if isinstance(value, list):
        return [_one(part, known) for part in value]
    return known.get(value, value)


def _learn(known: dict[Any, Any], then: tuple[Row, ...], now: list[Row]) -> None:
    for old, new in zip(then, now, strict=False):
        for was, value in zip(old, new, strict=True):
            if _is_telling(was):
                known.setdefault(was, value)
                known.setdefault(str(was), str(value))


def _is_telling(value: Any) -> bool:
    """Numbers and words that say of which row they are: small ones mean anything."""
    return (type(value) is int and value > 1000) or (isinstance(value, str) and len(value) > 3)
