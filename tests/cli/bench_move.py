"""How long `db move` takes for a database of a million rows, and how much memory.

    python tests/cli/bench_move.py [ROWS…]

For each number of rows (by default 100,000 and 1,000,000): fills a SQLite database as a service
does, a record being eight rows (itself, its message, the attempt, two rows of the trail with their
leaves, an idempotency key), and moves it to a PostgreSQL that syncs, in a process of its own.
"""

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

sys.path.insert(0, str(Path(__file__).parents[1]))

from postgres_server import HOW_TO_GET_IT, binaries, running
from timed_command import timed

from attendance.audit.sealer import Sealer
from attendance.db import Database, schema

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROWS_A_RECORD = 8
_FILL = """
INSERT INTO attendance (person_id, person_name, event, occurred_at, received_at, timezone,
  local_date, site, key_lineage, key_id, request_id)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {records}),
  made(i, at) AS (SELECT i, strftime('%Y-%m-%dT%H:%M:%S', 1763888400 + i, 'unixepoch')
    || '.123456Z' FROM n)
SELECT 'p' || i % 5000, 'Ada Lovelace', 'check_in', at, at, 'Europe/Berlin', '2026-11-23', 'HQ',
  1, 1, lower(hex(randomblob(16))) FROM made;

INSERT INTO outbox (status, chat_id, lane, text, line, subject_type, subject_id, request_id,
  created_at, due_at, give_up_from, attempts, uncertain_attempts, sent_at, settled_at,
  telegram_message_id)
SELECT 'sent', id % 64, id % 64, '✅ *Ada Lovelace* checked in, 09:00, HQ #' || id,
  'Ada Lovelace checked in, 09:00, HQ', 'attendance', id, request_id, received_at, received_at,
  received_at, 1, 0, received_at, received_at, id + 100000 FROM attendance;

INSERT INTO outbox_attempt (outbox_id, number, token, claimed_by, started_at, ended_at, outcome)
SELECT id, 1, lower(hex(randomblob(16))), 'server-4711', sent_at, sent_at, 'delivered' FROM outbox;

INSERT INTO idempotency_key
SELECT 1, request_id, lower(hex(randomblob(32))), 201, '/attendance/' || id,
  '{{"status":"SUCCESS","message":"Ada Lovelace checked in.","attendance":{{"id":' || id
  || ',"person_id":"p1","event":"check_in"}}}}', received_at FROM attendance;

INSERT INTO audit (occurred_at, actor_type, actor_id, actor_name, action, outcome, target_type,
  target_id, request_id, source_ip, user_agent, host, after_json, schema_version)
SELECT received_at, 'key', '1', 'front door', action, 'success', 'attendance', id, request_id,
  '192.0.2.7', 'kiosk/1.0', 'server', '{{"event": "check_in", "id": ' || id
  || ', "person_name": "Ada Lovelace", "timezone": "Europe/Berlin"}}', 1
FROM attendance, (SELECT 'attendance.recorded' AS action UNION SELECT 'outbox.attempted')
"""


def fill(url: str, rows: int) -> None:
    schema.upgrade(url)
    database = Database.at(url)

    def work(connection: Connection) -> None:
        for statement in _FILL.format(records=rows // ROWS_A_RECORD).split(";"):
            connection.exec_driver_sql(statement)

    database.write(work)
    Sealer(database, lambda: NOON, None).finish()
    database.close()


def measure(rows: int, target: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/attendance.db"
        fill(url, rows)
        took = timed(url, "db", "move", "--to", target)
    print(
        f"{rows:,} rows moved in {took.seconds:.1f} s ({rows / took.seconds:,.0f} rows a second) "
        f"with {took.mebibytes:.0f} MiB at most",
        flush=True,
    )


def main() -> None:
    place = binaries()
    if place is None:
        sys.exit(HOW_TO_GET_IT)
    with running(place, fsync="on", full_page_writes="on", shared_buffers="128MB") as server:
        for rows in [int(argument) for argument in sys.argv[1:]] or [100_000, 1_000_000]:
            with server.fresh() as target:
                measure(rows, target)


if __name__ == "__main__":
    main()
