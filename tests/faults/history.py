"""What happened, as each side saw it: the clients' ledger, Telegram's arrivals, the database."""

import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from attendance.sandbox import Message

ACKNOWLEDGED = (200, 201)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request of a client, and its end: an HTTP status, or None where the connection failed.

    `key` is its idempotency key and `person` whom it is about, one for each key; `attendance_id`
    is what an acknowledgement named, if it named any, `answered_at` when it came, in seconds by
    the machine's clock, and `failure` what became of the connection, or what a refusal said. It
    ended at `ended_at` and had taken `took_seconds`.
    """

    key: str
    person: str
    status: int | None
    attendance_id: int | None = None
    answered_at: float = inf
    failure: str = ""
    ended_at: float = 0.0
    took_seconds: float = inf

    @property
    def acknowledged(self) -> bool:
        return self.status in ACKNOWLEDGED


class Ledger:
    """Every attempt of every client, in the order of their ends. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts: list[Attempt] = []

    def note(self, attempt: Attempt) -> None:
        with self._lock:
            self._attempts.append(attempt)

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        with self._lock:
            return tuple(self._attempts)

    def count(self, status: int | None) -> int:
        """How many attempts ended so."""
        return sum(attempt.status == status for attempt in self.attempts)

    @property
    def told(self) -> set[str]:
        """Of whom a client was told that they are recorded."""
        return {attempt.person for attempt in self.attempts if attempt.acknowledged}

    @property
    def acknowledged(self) -> int:
        return sum(attempt.acknowledged for attempt in self.attempts)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that Telegram has shown in `chat`, in the order of arrival; `at` is when, in
    seconds by the machine's clock."""

    person: str
    chat: str
    at: float = inf


def arrivals(messages: Iterable[Message]) -> tuple[Arrival, ...]:
    """Of the sandbox's messages. What is about nobody is about "?"."""
    found = ((re.search(r"\bperson-\d+\b", message.text), message) for message in messages)
    return tuple(
        Arrival(who[0] if who else "?", message.chat_id, message.arrived_at.timestamp())
        for who, message in found
    )


def arrivals_of_digests(messages: Iterable[Message]) -> tuple[Arrival, ...]:
    """Of the sandbox's messages where one may be about many people."""
    return tuple(
        Arrival(who, message.chat_id, message.arrived_at.timestamp())
        for message in messages
        for who in dict.fromkeys(re.findall(r"\bperson-\d+\b", message.text)) or ["?"]
    )


@dataclass(frozen=True, slots=True)
class Record:
    """A row of `attendance`; how many `messages`, audit `entries` and kept `answers` it has."""

    id: int
    person: str
    messages: int
    entries: int
    answers: int


@dataclass(frozen=True, slots=True)
class Queued:
    """A row of `outbox` about a person; `doubts` counts the attempts that are noted as uncertain
    or late, each of which Telegram may have shown.

    Where transactions overlap, `claims` says when each that claimed the row began, in seconds by
    the machine's clock: what others had committed by then, it saw.
    """

    id: int
    person: str
    chat: str
    status: str
    doubts: int
    claims: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database holds in the end; `strays` are messages, audit entries and kept answers of
    records that are not there, and `integrity` is what is said of it: by SQLite of the file, by
    `audit verify` of the trail."""

    records: tuple[Record, ...]
    queued: tuple[Queued, ...]
    integrity: str = "ok"
    strays: tuple[str, ...] = ()


_RECORDS = """
WITH record AS (SELECT id, person_id, CAST(id AS TEXT) AS name FROM attendance),
  answer AS (SELECT location, count(*) AS count FROM idempotency_key GROUP BY location)
SELECT id, person_id,
  (SELECT count(*) FROM outbox
     WHERE subject_type = 'attendance' AND subject_id = name),
  (SELECT count(*) FROM audit
     WHERE target_type = 'attendance' AND target_id = name
       AND action = 'attendance.recorded' AND outcome = 'success'),
  coalesce(answer.count, 0)
FROM record LEFT JOIN answer ON answer.location = '/attendance/' || name ORDER BY id
"""
_STRAYS = """
WITH record AS (SELECT CAST(id AS TEXT) AS name, '/attendance/' || id AS place FROM attendance)
SELECT 'message ' || id FROM outbox
  WHERE subject_type = 'attendance'
    AND coalesce(subject_id, '') NOT IN (SELECT name FROM record)
UNION ALL SELECT 'entry ' || id FROM audit
  WHERE action = 'attendance.recorded' AND outcome = 'success'
    AND coalesce(target_id, '') NOT IN (SELECT name FROM record)
UNION ALL SELECT 'answer to ' || key FROM idempotency_key
  WHERE coalesce(location, '') NOT IN (SELECT place FROM record)
"""
_QUEUED = """
SELECT o.id, coalesce(a.person_id, '?'), o.lane, o.status,
  (SELECT count(*) FROM outbox_attempt t
     WHERE t.outbox_id = o.id AND t.outcome IN ('uncertain', 'late'))
FROM outbox o LEFT JOIN attendance a ON a.id = o.subject_id ORDER BY o.id
"""
_QUEUED_THERE = """
SELECT o.id, coalesce(a.person_id, '?'), o.lane, o.status,
  (SELECT count(*) FROM outbox_attempt t
     WHERE t.outbox_id = o.id AND t.outcome IN ('uncertain', 'late')),
  ARRAY (SELECT extract(epoch FROM began_at)::float8 FROM seen_claim WHERE outbox_id = o.id)
FROM outbox o LEFT JOIN attendance a ON a.id::text = o.subject_id ORDER BY o.id
"""
WITNESS = """
CREATE TABLE seen_claim (outbox_id bigint, began_at timestamptz);
CREATE INDEX ON seen_claim (outbox_id);
CREATE FUNCTION see_claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO seen_claim VALUES (NEW.id, transaction_timestamp()); RETURN NULL;
END $$;
CREATE TRIGGER see_claim AFTER UPDATE OF status ON outbox FOR EACH ROW
    WHEN (NEW.status = 'sending') EXECUTE FUNCTION see_claim();
"""
"""Has PostgreSQL keep when the transactions began that claimed a message."""


def read_server(rows: Callable[[str], list[tuple[Any, ...]]], integrity: str) -> Stored:
    """The same on a PostgreSQL with the `WITNESS`."""
    return Stored(
        tuple(Record(*row) for row in rows(_RECORDS)),
        tuple(Queued(*row) for row in rows(_QUEUED_THERE)),
        integrity,
        tuple(name for (name,) in rows(_STRAYS)),
    )


def read_database(path: Path) -> Stored:
    """Read as an auditor would, with an SQLite of one's own."""
    with closing(sqlite3.connect(path)) as connection:
        integrity = connection.execute("PRAGMA integrity_check").fetchone()[0]
        try:
            return Stored(
                tuple(Record(*row) for row in connection.execute(_RECORDS)),
                tuple(Queued(*row) for row in connection.execute(_QUEUED)),
                integrity,
                tuple(name for (name,) in connection.execute(_STRAYS)),
            )
        except sqlite3.DatabaseError as error:
            return Stored((), (), f"{integrity}; {error}")
