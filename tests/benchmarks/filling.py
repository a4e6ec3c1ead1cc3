"""A database with a past: settled messages and waiting ones, filled by SQL."""

import sqlite3
from datetime import timedelta
from pathlib import Path

from serving import prepared

from attendance.audit.sealer import Sealer
from attendance.db import format_utc, utc_now

CHATS = 64
_FIRST_CHAT = 2000

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows) "
_SETTLED = (
    """INSERT INTO attendance (person_id, person_name, event, occurred_at, received_at, timezone,
           local_date, key_lineage, key_id, request_id)
       SELECT 'past' || i, 'Ada Lovelace', 'check_in', :at, :at, 'UTC', '2026-01-01', 1, 1,
           lower(hex(randomblob(16))) FROM n""",
    """INSERT INTO outbox (status, chat_id, lane, text, line, subject_type, subject_id, request_id,
           created_at, due_at, give_up_from, attempts, uncertain_attempts, sent_at, settled_at,
           telegram_message_id)
       SELECT 'sent', '1000', '1000', 'Ada Lovelace checked in', 'Ada Lovelace checked in',
           'attendance', i, lower(hex(randomblob(16))), :at, :at, :at, 1, 0, :at, :at, i FROM n""",
    """INSERT INTO outbox_attempt (outbox_id, number, token, claimed_by, started_at, ended_at,
           outcome)
       SELECT i, 1, lower(hex(randomblob(16))), 'past', :at, :at, 'delivered' FROM n""",
    """INSERT INTO audit (occurred_at, actor_type, action, outcome, target_type, target_id,
           request_id, host, after_json, schema_version)
       SELECT :at, 'key', 'attendance.recorded', 'success', 'attendance', i,
           lower(hex(randomblob(16))), 'past', '{"event": "check_in"}', 1 FROM n""",
    """INSERT INTO idempotency_key (key_lineage, key, fingerprint, status, body, created_at)
       SELECT 1, 'past-' || i, lower(hex(randomblob(32))), 201, '{"status": "SUCCESS"}', :at
       FROM n""",
)
_LANES = """INSERT OR IGNORE INTO chat (chat_id, created_at)
    SELECT :first + i, :at FROM n"""
_WAITING = """INSERT INTO outbox (status, chat_id, lane, text, line, subject_type, created_at,
        due_at, give_up_from, attempts, uncertain_attempts)
    SELECT 'pending', :first + i % :chats, :first + i % :chats, 'Ada Lovelace checked in',
        'Ada Lovelace checked in', 'bench', :at, :at, :at, 0, 0 FROM n"""


def fill(path: Path, *, settled: int, waiting: int) -> None:
    """Make the database at `path`, with so many rows of the past in each of the tables that a
    record writes, sealed as the service has long done, and with messages that are due, over 64
    chats."""
    with prepared(path):
        pass
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA synchronous=OFF")
        past = format_utc(utc_now() - timedelta(days=1))
        for statement in _SETTLED if settled else ():
            _insert(connection, statement, settled, at=past)
        lately = {"at": format_utc(utc_now()), "first": _FIRST_CHAT}
        _insert(connection, _LANES, CHATS, **lately)
        _insert(connection, _WAITING, waiting, chats=CHATS, **lately)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA synchronous=FULL")
    finally:
        connection.close()
    with prepared(path) as database:
        Sealer(database, database.clock, None).finish()


def hold(path: Path) -> None:
    """Tell the waiting messages' chats to wait for a day, so that nobody delivers them."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        later = format_utc(utc_now() + timedelta(days=1))
        connection.execute("UPDATE chat SET hold_until = ?", (later,))
    finally:
        connection.close()


def _insert(connection: sqlite3.Connection, statement: str, rows: int, **values: object) -> None:
    before, _, after = statement.partition("SELECT")
    connection.execute(f"{before} {_NUMBERS} SELECT {after}", {"rows": rows, **values})
