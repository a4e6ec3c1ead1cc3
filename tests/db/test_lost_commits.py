"""Three ways in which committed rows were lost, reproduced, and what stands against each.

Each scenario runs in a fresh process, so that its forks and its locks are nobody else's. A worker
acknowledges each row after its commit returned, at synchronous=FULL, and is then killed.
"""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest
from notes import add, make_notes, notes, processes

from attendance.db import SqliteDatabase, assert_no_connections

pytestmark = pytest.mark.slow

ROWS = 6
_VISIT = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM note').fetchall(); c.close()"  # noqa: E501

T = TypeVar("T")
Write = Callable[[str], object]


def visit(path: Path) -> None:
    """Another process opens the database, looks, and closes it."""
    subprocess.run([sys.executable, "-c", _VISIT, str(path)], check=True)


def plain_write(path: Path) -> Write:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    return lambda text: connection.execute("INSERT INTO note VALUES (?)", (text,))


def our_write(path: Path) -> Write:
    database = SqliteDatabase(path)
    return lambda text: database.write(add(text))


class Worker:
    """A forked process that writes a row and says so, whenever it is told to."""

    def __init__(self, connect: Callable[[], Write]) -> None:
        self._orders, orders = os.pipe()[::-1]
        done, self._done = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._serve(connect(), orders)
        self._acknowledged = done

    def _serve(self, write: Write, orders: int) -> None:
        while text := os.read(orders, 1):
            write(text.decode())
            os.write(self._done, b"+")
        os._exit(0)

    def commit(self, text: str) -> None:
        os.write(self._orders, text.encode())
        assert os.read(self._acknowledged, 1) == b"+"

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _rows_kept(path: Path, worker: Worker, interfere: Callable[[], None]) -> int:
    """One row before the interference and the rest after it; how many there are in the end."""
    worker.commit("0")
    interfere()
    visit(path)
    for number in range(1, ROWS):
        worker.commit(str(number))
    worker.kill()
    return len(notes(path))


# --- a connection open in the master at the fork (TRAP 1) ------------------------------------


def plain_preload(path: Path) -> int:
    make_notes_in_wal(path)
    master = sqlite3.connect(path)
    master.execute("SELECT * FROM note").fetchall()
    return _rows_kept(path, Worker(lambda: plain_write(path)), master.close)


def our_preload(path: Path) -> int:
    make_notes_in_wal(path)
    master = SqliteDatabase(path)
    with master.snapshot() as connection:
        connection.exec_driver_sql("SELECT * FROM note").fetchall()
    master.close()
    assert_no_connections()
    return _rows_kept(path, Worker(lambda: our_write(path)), lambda: None)


def fork_while_open(path: Path) -> str:
    """What `pre_fork` says to a master that has looked into the database and kept it open."""
    make_notes_in_wal(path)
    database = SqliteDatabase(path)
    with database.snapshot() as connection:
        connection.exec_driver_sql("SELECT * FROM note").fetchall()
    try:
        assert_no_connections()
    except RuntimeError as error:
        return str(error)
    finally:
        database.close()
    return ""


def test_a_connection_open_at_the_fork_loses_what_a_worker_commits(tmp_path: Path) -> None:
    """The control of TRAP 1."""
    assert _apart(plain_preload, tmp_path) < ROWS


def test_a_master_that_closed_before_the_fork_loses_nothing(tmp_path: Path) -> None:
    assert _apart(our_preload, tmp_path) == ROWS


def test_a_fork_with_an_open_connection_is_refused(tmp_path: Path) -> None:
    assert "open at a fork" in _apart(fork_while_open, tmp_path)


# --- open() and close() of the database file (TRAP 2) ----------------------------------------


def plain_copy(path: Path) -> int:
    return _while_writing(path, path.read_bytes)


def backup(path: Path) -> int:
    def copy() -> None:
        with (
            closing(sqlite3.connect(path)) as source,
            closing(sqlite3.connect(path.with_suffix(".copy"))) as target,
        ):
            source.backup(target)

    return _while_writing(path, copy)


def _while_writing(path: Path, copy: Callable[[], object]) -> int:
    """A process commits, copies its database, commits on, and is killed."""
    make_notes_in_wal(path)

    def connect() -> Write:
        write = our_write(path)
        return lambda text: copy() if text == "c" else write(text)

    worker = Worker(connect)
    return _rows_kept(path, worker, lambda: worker.commit("c"))


def test_reading_the_file_in_a_process_that_writes_it_loses_commits(tmp_path: Path) -> None:
    """The control of TRAP 2: close() drops the locks that told others somebody is here."""
    assert _apart(plain_copy, tmp_path) < ROWS


def test_the_backup_api_loses_nothing(tmp_path: Path) -> None:
    assert _apart(backup, tmp_path) == ROWS


# --- a connection inherited and used (TRAP 3) ------------------------------------------------


def plain_inheritance(path: Path) -> list[str]:
    make_notes_in_wal(path)
    parent = sqlite3.connect(path, isolation_level=None)
    parent.execute("BEGIN IMMEDIATE")
    parent.execute("INSERT INTO note VALUES ('rolled back')")
    pid = os.fork()
    if pid == 0:
        parent.execute("COMMIT")
        os._exit(0)
    os.waitpid(pid, 0)
    parent.execute("ROLLBACK")
    return notes(path)


def our_inheritance(path: Path) -> list[str]:
    """The child tries each door of a Database that its parent has used."""
    make_notes_in_wal(path)
    database = SqliteDatabase(path)
    database.write(add("parent"))
    with database.snapshot():
        pass
    pid = os.fork()
    if pid == 0:
        os._exit(_refusals(database))
    _, status = os.waitpid(pid, 0)
    database.close()
    return [*notes(path), f"{os.waitstatus_to_exitcode(status)} refused"]


def _refusals(database: SqliteDatabase) -> int:
    def read() -> None:
        with database.snapshot():
            pass

    def check_out() -> None:
        database._reading_engine.connect()

    return sum(_is_refused(way) for way in (lambda: database.write(add("child")), read, check_out))


def _is_refused(way: Callable[[], object]) -> bool:
    try:
        way()
    except RuntimeError as error:
        return "fork" in str(error)
    return False


def test_an_inherited_connection_commits_what_the_parent_rolled_back(tmp_path: Path) -> None:
    """The control of TRAP 3."""
    assert _apart(plain_inheritance, tmp_path) == ["rolled back"]


def test_a_database_used_before_a_fork_refuses_to_work_after_it(tmp_path: Path) -> None:
    assert _apart(our_inheritance, tmp_path) == ["parent", "3 refused"]


def make_notes_in_wal(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    make_notes(path)


def _apart(work: Callable[[Path], T], place: Path) -> T:
    with processes(1) as pool:
        return pool.submit(work, place / "notes.db").result()
