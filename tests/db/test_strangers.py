"""Strangers who hold the write lock and know no turnstile: waited for, but not for ever."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from notes import add, make_notes, notes, queued, statements, stranger_writing, until

from attendance.db import Database, SqliteDatabase, TooBusy
from attendance.db.sqlite import engines


@pytest.fixture
def impatient(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteDatabase]:
    """A database that asks for the lock again and again, rather than once for long."""
    monkeypatch.setattr(engines, "WRITE_BUSY_SECONDS", 0.01)
    database = Database.at(database_url)
    assert isinstance(database, SqliteDatabase)
    make_notes(database.path)
    yield database
    database.close()


def test_a_stranger_is_waited_for(impatient: SqliteDatabase) -> None:
    seen = statements(impatient)
    with ThreadPoolExecutor() as pool:
        with stranger_writing(impatient.path):
            answer = pool.submit(impatient.write, add("a"), 30)
            until(lambda: seen.count("BEGIN IMMEDIATE") > 3)
            assert not answer.done()
        assert answer.result() == "a"
    assert notes(impatient.path) == ["a"]


def test_who_waits_for_a_stranger_is_told_in_time_and_not_served_later(
    impatient: SqliteDatabase,
) -> None:
    with stranger_writing(impatient.path):
        started = time.monotonic()
        with pytest.raises(TooBusy):
            impatient.write(add("late"), timeout_seconds=0.1)
        assert time.monotonic() - started < 10  # and not for as long as the stranger likes
    impatient.write(add("next"))
    assert notes(impatient.path) == ["next"]


def test_those_who_come_behind_are_told_in_time_too(impatient: SqliteDatabase) -> None:
    """Their unit waits in the queue, behind the one for which the lock is asked."""
    with ThreadPoolExecutor() as pool:
        with stranger_writing(impatient.path):
            first = pool.submit(impatient.write, add("patient"), None)
            until(lambda: impatient._writer._thread is not None and queued(impatient) == 0)
            with pytest.raises(TooBusy):
                impatient.write(add("late"), timeout_seconds=0.1)
        assert first.result() == "patient"
    impatient.write(add("next"))
    assert notes(impatient.path) == ["next", "patient"]


def test_the_lock_is_no_longer_asked_for_once_nobody_waits(impatient: SqliteDatabase) -> None:
    seen = statements(impatient)
    with stranger_writing(impatient.path):
        with pytest.raises(TooBusy):
            impatient.write(add("late"), timeout_seconds=0.05)
        until(lambda: _unchanged(seen))


def _unchanged(seen: list[str]) -> bool:
    before = len(seen)
    time.sleep(0.1)
    return len(seen) == before
