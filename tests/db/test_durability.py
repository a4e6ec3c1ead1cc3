"""What makes a commit last, and that the log is put away now and then."""

import fcntl
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from notes import PATIENCE_SECONDS, add, make_notes, notes, until
from sqlalchemy import Connection, event

from attendance.db import SqliteDatabase, Unavailable, assert_no_connections
from attendance.db.sqlite import engines, writer

SETTINGS = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL, TRAP 13
    "wal_autocheckpoint": 0,  # TRAP 14
    "foreign_keys": 1,
    "recursive_triggers": 1,  # TRAP 6
}


def settings_of(connection: Connection) -> dict[str, object]:
    return {
        name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
        for name in (*SETTINGS, "query_only")
    }


def test_the_settings_of_what_writes(database: SqliteDatabase) -> None:
    assert database.write(settings_of) == {**SETTINGS, "query_only": 0}


def test_the_settings_of_every_reader(database: SqliteDatabase) -> None:
    with database.snapshot() as one, database.snapshot() as other:
        assert settings_of(one) == settings_of(other) == {**SETTINGS, "query_only": 1}


def cut_log(patch: pytest.MonkeyPatch, *, every_commits: int, beyond_pages: int) -> None:
    patch.setattr(writer, "_CHECKPOINT_EVERY_COMMITS", every_commits)
    patch.setattr(writer, "_TRUNCATE_BEYOND_PAGES", beyond_pages)


def wal_pages(path: Path) -> int:
    return path.with_name(f"{path.name}-wal").stat().st_size // 4096


def write_often(database: SqliteDatabase, times: int) -> list[int]:
    """The size of the log after each commit."""
    sizes = []
    for number in range(times):
        database.write(add(f"{number:04} {'x' * 3000}"))
        sizes.append(wal_pages(database.path))
    return sizes


def test_the_log_does_not_grow_without_end(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_CHECKPOINT_EVERY_COMMITS", 10)
    make_notes(database.path)
    sizes = write_often(database, 100)
    assert max(sizes) < 100  # written over from its start, again and again


def test_without_checkpoints_it_would(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: nothing else puts the log away, so the bound above is the checkpoint's."""
    monkeypatch.setattr(writer, "_CHECKPOINT_EVERY_COMMITS", 10_000)
    make_notes(database.path)
    sizes = write_often(database, 100)
    assert sizes == sorted(sizes)
    assert sizes[-1] > 200


@pytest.mark.parametrize(("rows", "put_away"), [(10, False), (11, True)])
def test_a_commit_of_very_many_rows_does_not_leave_its_log_to_grow(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch, *, rows: int, put_away: bool
) -> None:
    monkeypatch.setattr(writer, "_MANY_ROWS", 10)
    make_notes(database.path)

    def work(connection: Connection) -> None:
        for number in range(rows):
            add(f"{number} {'x' * 3000}")(connection)

    database.write(work)
    filled = wal_pages(database.path)
    database.write(add("one more"))

    assert (wal_pages(database.path) == filled) is put_away  # written over, or added to


def test_a_log_that_grew_large_is_cut(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_log(monkeypatch, every_commits=10, beyond_pages=5)
    make_notes(database.path)
    write_often(database, 10)
    until(lambda: wal_pages(database.path) == 0)


def test_a_reader_does_not_hold_the_checkpoint_up(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRAP 10: the log grows meanwhile, and nobody waits."""
    cut_log(monkeypatch, every_commits=5, beyond_pages=5)
    make_notes(database.path)
    with database.snapshot() as connection:
        connection.exec_driver_sql("SELECT * FROM note").fetchall()
        sizes = write_often(database, 21)
    assert 0 not in sizes
    assert len(notes(database.path)) == 21
    database.write(lambda c: c.exec_driver_sql("DELETE FROM note").rowcount)
    write_often(database, 3)  # the 25th commit
    until(lambda: wal_pages(database.path) == 0)


def test_a_checkpoint_that_a_reader_is_in_the_way_of_waits_for_nobody(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the turnstile, and with it all writers, for as long as it would wait."""
    cut_log(monkeypatch, every_commits=2, beyond_pages=0)
    monkeypatch.setattr(engines, "WRITE_BUSY_SECONDS", 3 * PATIENCE_SECONDS)
    patient = SqliteDatabase(database.path)  # with whoever holds a lock that it needs
    make_notes(database.path)
    with ThreadPoolExecutor() as pool:
        with database.snapshot() as connection:
            connection.exec_driver_sql("SELECT * FROM note").fetchall()
            for number in range(4):
                pool.submit(patient.write, add(str(number))).result(PATIENCE_SECONDS)
        pool.submit(patient.close).result(PATIENCE_SECONDS)


def is_anybodys_turn(path: Path) -> bool:
    """Whether somebody is inside the turnstile."""
    with path.with_name(f"{path.name}.turnstile").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_checkpoints_run_under_the_turnstile_also_that_of_the_last_close(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRAP 14: one beside a write can corrupt the file, and every write runs under it."""
    cut_log(monkeypatch, every_commits=2, beyond_pages=0)
    make_notes(database.path)
    seen: list[tuple[str, bool]] = []

    def note(what: str) -> None:
        if what.startswith(("PRAGMA wal_checkpoint", "close")):
            seen.append((what, is_anybodys_turn(database.path)))

    def listen(connection: sqlite3.Connection, *_: Any) -> None:
        connection.set_trace_callback(note)

    event.listen(database._writer._engine, "checkout", listen)
    event.listen(database._writer._engine, "close", lambda *_: note("close"))
    for text in "ab":
        database.write(add(text))
    until(lambda: not is_anybodys_turn(database.path))
    database.close()
    assert seen == [
        ("PRAGMA wal_checkpoint(PASSIVE)", True),
        ("PRAGMA wal_checkpoint(TRUNCATE)", True),
        ("close", True),
    ]
    assert not is_anybodys_turn(database.path)


def test_the_log_is_put_away_at_the_end(database: SqliteDatabase) -> None:
    make_notes(database.path)
    database.write(add("a"))
    database.close()
    assert not database.path.with_name("attendance.db-wal").exists()


def test_a_file_that_is_no_database_is_unavailable_and_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "attendance.db"
    path.write_bytes(b"This is a text and no database. " * 200)
    database = SqliteDatabase(path)
    with pytest.raises(Unavailable, match="not a database"):
        database.write(add("a"))
    database.close()
    assert_no_connections()


def test_a_database_that_was_not_ours_becomes_one_with_a_log(tmp_path: Path) -> None:
    path = tmp_path / "attendance.db"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    make_notes(path)
    database = SqliteDatabase(path)
    database.write(add("a"))
    assert database.write(settings_of)["journal_mode"] == "wal"
    database.close()
