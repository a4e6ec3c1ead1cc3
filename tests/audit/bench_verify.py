"""How long `audit verify` takes, and how much memory.

    python tests/audit/bench_verify.py [ROWS…]

For each number of rows (by default 100,000 and 1,000,000): fills a trail, seals it, and verifies
it in a process of its own.
"""

import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

sys.path.insert(0, str(Path(__file__).parents[1]))

from timed_command import timed

from attendance.audit.sealer import Sealer
from attendance.db import Database, schema

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO audit (occurred_at, actor_type, actor_id, actor_name, action, outcome, target_type,
  target_id, request_id, source_ip, user_agent, host, after_json, schema_version)
SELECT '2026-11-23T11:59:59.000000Z', 'key', '1', 'front door', 'attendance.recorded', 'success',
  'attendance', i, lower(hex(randomblob(16))), '192.0.2.7', 'kiosk/1.0', 'server',
  '{"event": "check_in", "id": ' || i || ', "key_id": 1, "key_lineage": 1, "local_date": '
  || '"2026-11-23", "occurred_at": "2026-11-23 11:59:59+00:00", "person_id": "p' || i
  || '", "person_name": "Ada Lovelace", "received_at": "2026-11-23 11:59:59+00:00", '
  || '"timezone": "Europe/Berlin"}', 1 FROM n
"""


def measure(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/attendance.db"
        schema.upgrade(url)
        database = Database.at(url)

        def fill(connection: Connection) -> None:
            connection.exec_driver_sql(FILL, (rows,))

        database.write(fill)
        sealing = time.monotonic()
        Sealer(database, lambda: NOON, None).finish()
        sealed = time.monotonic() - sealing
        database.close()
        took = timed(url, "audit", "verify")
    print(
        f"{rows:,} rows: sealed in {sealed:.1f} s, verified in {took.seconds:.1f} s "
        f"({rows / took.seconds:,.0f} rows a second) with {took.mebibytes:.0f} MiB at most"
    )


if __name__ == "__main__":
    for number in [int(argument) for argument in sys.argv[1:]] or [100_000, 1_000_000]:
        measure(number)
    print(f"(this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB)")
