"""A stranger who holds the database's lock, and one who reads for long.

For a while clients only wait; beyond their time they are refused with 503, and nothing is lost.
A long reader keeps the log from being put away, holds nobody up, and it shrinks once he has left.
Control: an answer that does not wait for the commit is lost with the patience of its thread.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rig import Rig, until

from attendance.db.database import WRITE_TIMEOUT_SECONDS

Make = Callable[..., Rig]
BEYOND_PATIENCE_SECONDS = 20.0
assert BEYOND_PATIENCE_SECONDS > WRITE_TIMEOUT_SECONDS + 3


@contextmanager
def locked(rig: Rig) -> Iterator[None]:
    """Another process could hold the lock just so: it is SQLite's own."""
    path = rig.service.database
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as stranger:
        stranger.execute("BEGIN EXCLUSIVE")
        yield
        stranger.execute("ROLLBACK")


def lock_under_load(rig: Rig, seconds: float, clients: int = 4) -> None:
    with rig.load(clients=clients):
        rig.wait_for_acknowledged(10)
        with locked(rig):
            time.sleep(seconds)
        rig.wait_for_acknowledged(10)


def test_a_lock_of_three_seconds_holds_everybody_up_and_refuses_nobody(make_rig: Make) -> None:
    rig = make_rig()
    lock_under_load(rig, 3)
    verdict = rig.verdict()
    assert rig.ledger.count(503) == 0
    assert verdict.is_valid, verdict
    assert verdict.recovered == set()


def test_a_lock_beyond_all_patience_refuses_and_loses_nothing_which_the_control_does(
    make_rig: Make,
) -> None:
    rig, control = make_rig(), make_rig("without-answer-after-commit")
    # At the same time: one client of the control's gets as many answers as it asks for.
    other = threading.Thread(target=lock_under_load, args=(control, BEYOND_PATIENCE_SECONDS, 1))
    other.start()
    lock_under_load(rig, BEYOND_PATIENCE_SECONDS)
    other.join()
    verdict = rig.verdict()
    assert rig.ledger.count(503) > 0
    assert verdict.is_valid, verdict
    assert control.verdict().lost


def test_a_long_reader_holds_nobody_up_and_the_log_shrinks_after_him(make_rig: Make) -> None:
    rig = make_rig("with-a-small-log")
    log = Path(f"{rig.service.database}-wal")
    with rig.load():
        with reading(rig):
            until(lambda: log.stat().st_size > 2_000_000, "the log grows")
        until(lambda: log.stat().st_size < 1_000_000, "the log shrinks")
    verdict = rig.verdict()
    assert rig.ledger.count(503) == 0
    assert verdict.is_valid, verdict
    assert verdict.recovered == set()


@contextmanager
def reading(rig: Rig) -> Iterator[None]:
    """An auditor who is in the middle of a long export with a tool of his own."""
    with closing(sqlite3.connect(rig.service.database, isolation_level=None)) as auditor:
        auditor.execute("BEGIN")
        auditor.execute("SELECT count(*) FROM attendance").fetchone()
        yield
