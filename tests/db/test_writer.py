"""One unit of work: on disk when `write` returns, or not there at all."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from notes import add, make_notes, notes, processes, queued, turnstile_held, until
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from attendance.db import SqliteDatabase, TooBusy, Unavailable, assert_no_connections
from attendance.db.sqlite.engines import driver_connection
from attendance.db.sqlite.units import Unit, fail
from attendance.db.sqlite.writer import LONGEST_QUEUE


@pytest.fixture(autouse=True)
def note_table(database: SqliteDatabase) -> None:
    make_notes(database.path)


@pytest.mark.slow
def test_a_commit_is_visible_to_another_process(database: SqliteDatabase) -> None:
    assert database.write(add("a")) == "a"
    with processes(1) as pool:
        assert pool.submit(notes, database.path).result() == ["a"]


def test_a_unit_that_raises_leaves_nothing(database: SqliteDatabase) -> None:
    def work(connection: Connection) -> None:
        add("a")(connection)
        raise LookupError("half way")

    with pytest.raises(LookupError, match="half way"):
        database.write(work)
    assert notes(database.path) == []


def test_a_broken_constraint_surfaces_as_itself(database: SqliteDatabase) -> None:
    database.write(add("a"))
    with pytest.raises(IntegrityError):
        database.write(add("a"))
    assert notes(database.path) == ["a"]


def test_a_unit_that_waited_too_long_is_never_run_later(database: SqliteDatabase) -> None:
    with turnstile_held(database.path), pytest.raises(TooBusy):
        database.write(add("late"), timeout_seconds=0.05)
    database.write(add("next"))
    assert notes(database.path) == ["next"]


def test_a_unit_that_is_not_withdrawn_does_run_later(database: SqliteDatabase) -> None:
    """The control: waiting for the turn alone loses nothing."""
    with ThreadPoolExecutor() as pool:
        with turnstile_held(database.path):
            answer = pool.submit(database.write, add("late"), None)
            until(lambda: database._writer._thread is not None and queued(database) == 0)
        assert answer.result() == "late"
    assert notes(database.path) == ["late"]


def test_a_unit_that_began_is_waited_for(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, given_up = threading.Event(), threading.Event()
    withdraw = Unit.withdraw

    def withdraw_once_it_began(unit: Unit) -> bool:
        assert began.wait(30)
        given_up.set()
        return withdraw(unit)

    def work(connection: Connection) -> str:
        began.set()
        assert given_up.wait(30)
        return add("slow")(connection)

    monkeypatch.setattr(Unit, "withdraw", withdraw_once_it_began)
    assert database.write(work, timeout_seconds=0.01) == "slow"
    assert notes(database.path) == ["slow"]


def test_close_finishes_what_waits(database: SqliteDatabase) -> None:
    with ThreadPoolExecutor() as pool:
        with turnstile_held(database.path):
            answers = [pool.submit(database.write, add(text), None) for text in "abc"]
            until(lambda: queued(database) == 2)
            closed = pool.submit(database.close)
            until(lambda: queued(database) == 3)  # the call to stop stands behind them
        closed.result()
        assert [answer.result() for answer in answers] == ["a", "b", "c"]
    assert notes(database.path) == ["a", "b", "c"]


def test_a_unit_that_comes_while_closing_is_not_forgotten(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer's thread must not end between a caller's look at it and its unit's arrival."""
    start = database._writer._start
    closing = threading.Thread(target=database.close)

    def start_and_be_interrupted() -> None:
        start()
        closing.start()
        time.sleep(0.1)

    monkeypatch.setattr(database._writer, "_start", start_and_be_interrupted)
    assert database.write(add("a"), timeout_seconds=10) == "a"
    closing.join()


def test_the_writer_outlives_a_unit_that_wants_to_exit(database: SqliteDatabase) -> None:
    def work(connection: Connection) -> None:
        add("a")(connection)
        raise SystemExit(1)

    with pytest.raises(Unavailable):
        database.write(work)
    database.write(add("b"))
    assert notes(database.path) == ["b"]


def test_nobody_is_answered_before_the_commit(database: SqliteDatabase) -> None:
    answered: list[bool] = []

    def look(statement: str) -> None:
        if statement == "COMMIT":
            time.sleep(0.1)
            answered.append(any(answer.done() for answer in answers))

    database.write(add("first"))
    assert database._writer._connection is not None
    driver_connection(database._writer._connection).set_trace_callback(look)
    with ThreadPoolExecutor() as pool:
        with turnstile_held(database.path):
            answers = [pool.submit(database.write, add(text), None) for text in "ab"]
            until(lambda: queued(database) == 1)
        assert sorted(answer.result() for answer in answers) == ["a", "b"]
    assert answered == [False]


def test_what_fails_after_the_commit_does_not_deny_it(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 503 says that nothing was stored, and a settlement would be written again."""

    def fail_to_checkpoint() -> None:
        raise OSError("disk")

    with monkeypatch.context() as patched:
        patched.setattr(database._writer, "_checkpoint", fail_to_checkpoint)
        assert database.write(add("a")) == "a"
    assert database.write(add("b")) == "b"
    assert notes(database.path) == ["a", "b"]


def test_a_connection_that_broke_costs_one_group(database: SqliteDatabase) -> None:
    database.write(add("a"))
    assert database._writer._connection is not None
    driver_connection(database._writer._connection).close()
    with pytest.raises(Unavailable):
        database.write(add("b"))
    database.write(add("c"))
    assert notes(database.path) == ["a", "c"]


class Unspeakable(BaseException):
    """An end that cannot even be put into words."""

    def __str__(self) -> str:
        raise MemoryError


def end_the_writer(_: Connection) -> None:
    raise Unspeakable


def test_nobody_waits_for_a_writer_that_has_ended(database: SqliteDatabase) -> None:
    with ThreadPoolExecutor(71) as pool:
        with turnstile_held(database.path):
            killer: Future[Any] = pool.submit(database.write, end_the_writer, None)
            until(lambda: database._writer._thread is not None and queued(database) == 0)
            # More than a group holds: some are in hand when the thread ends, and some wait.
            others = [pool.submit(database.write, add(str(n)), None) for n in range(70)]
            until(lambda: queued(database) == len(others))
        for answer in [killer, *others]:
            with pytest.raises(Unavailable):
                answer.result(30)
    assert notes(database.path) == []


def test_the_next_write_starts_another_writer(database: SqliteDatabase) -> None:
    with pytest.raises(Unavailable):
        database.write(end_the_writer)
    assert database.write(add("again")) == "again"
    assert notes(database.path) == ["again"]


def test_a_database_whose_writer_has_ended_is_closed_like_any_other(
    database: SqliteDatabase,
) -> None:
    with pytest.raises(Unavailable):
        database.write(end_the_writer)
    database.close()
    assert_no_connections()


def test_a_queue_that_nobody_empties_does_not_grow_for_ever(database: SqliteDatabase) -> None:
    """Whoever gives up leaves a withdrawn unit behind, while another process keeps its turn."""
    with turnstile_held(database.path):
        for number in range(2 * LONGEST_QUEUE):
            with pytest.raises(TooBusy):
                database.write(add(str(number)), timeout_seconds=0)
        assert queued(database) <= LONGEST_QUEUE
    until(lambda: queued(database) == 0)
    database.write(add("next"))
    assert notes(database.path) == ["next"]


def test_the_writer_outlives_a_lock_file_that_cannot_be_opened(
    database: SqliteDatabase, tmp_path: Path
) -> None:
    obstacle = tmp_path / "attendance.db.turnstile"
    obstacle.unlink(missing_ok=True)
    obstacle.mkdir()
    with pytest.raises(Unavailable):
        database.write(add("a"))
    obstacle.rmdir()
    database.write(add("b"))
    assert notes(database.path) == ["b"]


def test_a_caller_who_gave_up_while_its_group_fails_does_not_end_the_writer() -> None:
    unit = Unit(add("a"))
    assert unit.withdraw()
    fail([unit], OSError("disk"))
    assert unit.wait(0)
    with pytest.raises(Unavailable):
        unit.result()


def test_a_unit_is_withdrawn_or_begins_but_never_both() -> None:
    withdrawn, begun = Unit(add("a")), Unit(add("b"))
    assert withdrawn.withdraw()
    assert not withdrawn.begin()
    assert begun.begin()
    assert not begun.withdraw()


def test_only_the_first_answer_to_a_unit_is_heard() -> None:
    unit = Unit(add("a"))
    unit.end("a")
    fail([unit], OSError("disk"))
    assert unit.wait(0)
    assert unit.result() == "a"


def test_a_returning_result_that_somebody_keeps_unread_does_not_break_commits(
    database: SqliteDatabase,
) -> None:
    """TRAP 9: SQLite neither releases a savepoint nor commits while such a statement is open."""
    kept: list[object] = []

    def work(connection: Connection) -> None:
        insert = "INSERT INTO note VALUES ('a'), ('b') RETURNING text"
        kept.append(connection.exec_driver_sql(insert))

    database.write(work)
    database.write(add("c"))
    assert notes(database.path) == ["a", "b", "c"]


def test_a_returning_result_in_a_traceback_does_not_break_later_units(
    database: SqliteDatabase,
) -> None:
    def work(connection: Connection) -> None:
        result = connection.exec_driver_sql("INSERT INTO note VALUES ('a'), ('b') RETURNING text")
        raise LookupError(result)

    with pytest.raises(LookupError):
        database.write(work)
    database.write(add("c"))
    assert notes(database.path) == ["c"]


def test_closing_does_not_wait_for_ever_for_somebody_elses_lock(database: SqliteDatabase) -> None:
    with turnstile_held(database.path):
        with pytest.raises(TooBusy):
            database.write(add("never"), timeout_seconds=0.1)
        database._writer.close(timeout_seconds=0.1)
    thread = database._writer._thread
    assert thread is not None
    thread.join(30)  # it was left behind, and closes what it has now that it can
    assert notes(database.path) == []


def test_a_unit_that_was_refused_proves_nothing_about_the_storage(
    database: SqliteDatabase,
) -> None:
    def refuse(connection: Connection) -> None:
        add("refused")(connection)
        raise LookupError

    database._writer.failing = True
    with pytest.raises(LookupError):
        database.write(refuse)
    assert database._writer.failing
    database.write(add("written"))
    assert not database._writer.failing
