"""The bare enqueue against that of other queues on SQLite: 8 threads, and every commit synced."""

import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from huey import SqliteHuey
from litequeue import LiteQueue
from measuring import Figure, Form, NotReal, Target, figure, interleaved, ratios
from persistqueue import SQLiteQueue
from posting import count
from serving import CHAT, prepared

from attendance.db import utc_now
from attendance.outbox.queue import Draft, enqueue

THREADS = 8
_TEXT = "✅ *Ada Lovelace* checked in\n09:00 · Mon 23 Nov · HQ"

Put = Callable[[], object]
Other = Callable[[Path], tuple[Put, Path, str]]
"""Opens a queue in a folder: how to put, where it is kept, and in which table."""


def other_queues(form: Form, folder: Path) -> list[Figure]:
    """Committed messages a second, against huey, litequeue and persist-queue."""
    return [
        *_against("huey", _huey, form, folder),
        *_against("litequeue", _litequeue, form, folder),
        *_against("persist-queue", _persist_queue, form, folder),
    ]


def _against(name: str, other: Other, form: Form, folder: Path) -> list[Figure]:
    rates, others = interleaved(
        max(1, form.pairs // 2),
        partial(_ours, folder, form.slot_seconds),
        partial(_theirs, other, folder, form.slot_seconds),
    )
    return [
        ratios(f"commits, {name}", rates, others, Target("least", 1.0)),
        figure(f"commits, {name}", "a second", others),
        figure("commits, ours", "a second", rates),
    ]


def _ours(folder: Path, seconds: float) -> float:
    path = _fresh(folder) / "ours.db"
    with prepared(path) as database:

        def put() -> int:
            now, draft = utc_now(), Draft(CHAT, _TEXT, "bench")
            return database.write(lambda connection: enqueue(connection, now, draft))

        return _rate(put, path, "outbox", seconds)


def _theirs(other: Other, folder: Path, seconds: float) -> float:
    return _rate(*other(_fresh(folder)), seconds)


def _huey(folder: Path) -> tuple[Put, Path, str]:
    path = folder / "huey.db"
    huey = SqliteHuey(filename=str(path), fsync=True, timeout=60)

    @huey.task()  # type: ignore[untyped-decorator]  # huey has no types
    def tell(text: str) -> None:
        """Nobody runs it."""

    return partial(tell, _TEXT), path, "task"


def _litequeue(folder: Path) -> tuple[Put, Path, str]:
    """A connection for each thread: one is not for several."""
    path, own = folder / "litequeue.db", threading.local()
    LiteQueue(str(path)).conn.close()

    def put() -> None:
        if not hasattr(own, "queue"):
            own.queue = LiteQueue(str(path), timeout=60)
            own.queue.conn.execute("PRAGMA synchronous = FULL")
        own.queue.put(_TEXT)

    return put, path, "Queue"


def _persist_queue(folder: Path) -> tuple[Put, Path, str]:
    queue = SQLiteQueue(str(folder), multithreading=True, auto_commit=True, timeout=60)
    return partial(queue.put, _TEXT), folder / "data.db", "queue_default"


def _rate(put: Put, database: Path, table: str, seconds: float) -> float:
    """Puts a second from all threads together, each of them proved to be in the table."""
    done: list[int] = []
    started = time.monotonic()
    ends_at = started + seconds

    def work() -> None:
        puts = 0
        while time.monotonic() < ends_at:
            put()
            puts += 1
        done.append(puts)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - started
    if len(done) < THREADS or count(database, table) != sum(done):
        raise NotReal(f"{table}: {sum(done)} were put, {count(database, table)} are there")
    return sum(done) / took


def _fresh(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))
