"""How long `audit prune` keeps the writers waiting, and how much memory it takes.

    python tests/audit/bench_prune.py [ROWS [KEPT]]

Fills a trail (by default 1,000,000 rows, of which 100,000 are to be kept), seals it, and prunes it
in a process of its own, while this one writes a row every 10 ms.
"""

import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from bench_verify import FILL
from sqlalchemy import Connection

sys.path.insert(0, str(Path(__file__).parents[1]))

from timed_command import Took, timed

from attendance.audit import append, service_context
from attendance.audit.sealer import Sealer
from attendance.db import Database, schema

NINE, NOON = (datetime(2026, 11, 23, hour, tzinfo=UTC) for hour in (9, 12))


def fill(database: Database, rows: int, now: datetime) -> None:
    def work(connection: Connection) -> None:
        connection.exec_driver_sql(FILL, (rows,))

    database.write(work)
    Sealer(database, lambda: now, None).finish()


class Visitor(threading.Thread):
    """Writes until it is told to stop. `waits` are in seconds."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database, self.done, self.waits = database, threading.Event(), [0.0]

    def run(self) -> None:
        context = service_context("visitor")
        while not self.done.wait(0.01):
            started = time.monotonic()
            self.database.write(
                lambda connection: append(connection, NOON, context, "test.came"), None
            )
            self.waits.append(time.monotonic() - started)


def prune(url: str, folder: Path) -> Took:
    options = ["--older-than", "2026-11-23T11:00:00Z", "--archive", str(folder / "old.jsonl")]
    return timed(url, "audit", "prune", *options)


def measure(rows: int, kept: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder}/attendance.db"
        schema.upgrade(url)
        database = Database.at(url)
        fill(database, rows - kept, NINE)
        fill(database, kept, NOON)
        visitor = Visitor(database)
        visitor.start()
        took = prune(url, folder)
        visitor.done.set()
        visitor.join()
        log = (folder / "attendance.db-wal").stat().st_size / 2**20
        database.close()
    print(
        f"{rows - kept:,} of {rows:,} rows pruned in {took.seconds:.1f} s with "
        f"{took.mebibytes:.0f} MiB at most; "
        f"the longest wait of a writer was {max(visitor.waits):.2f} s (of {len(visitor.waits):,}), "
        f"the log grew to {log:.0f} MiB"
    )


if __name__ == "__main__":
    all_of_them, *rest = [int(argument) for argument in sys.argv[1:]] or [1_000_000]
    measure(all_of_them, *(rest or [100_000]))
