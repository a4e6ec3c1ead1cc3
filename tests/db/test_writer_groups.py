"""Units that wait together are committed together, and fail apart unless the storage fails."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from notes import add, make_notes, notes, queued, statements, turnstile_held, until
from sqlalchemy import Connection

from attendance.db import SqliteDatabase, Unavailable

Work = Callable[[Connection], Any]
Together = Callable[..., "list[Future[Any]]"]


@pytest.fixture(autouse=True)
def note_table(database: SqliteDatabase) -> None:
    make_notes(database.path)


@pytest.fixture
def together(database: SqliteDatabase) -> Iterator[Together]:
    """Give units to the writer, in order, while its turn has not come: they end in one group."""
    with ThreadPoolExecutor(70) as pool:

        def write(*works: Work) -> list[Future[Any]]:
            answers = []
            with turnstile_held(database.path):
                for position, work in enumerate(works):
                    answers.append(pool.submit(database.write, work, None))
                    until(lambda behind=position: queued(database) == behind)  # type: ignore[misc]
            for answer in answers:
                answer.exception(30)
            return answers

        yield write


def refuse(connection: Connection) -> None:
    add("refused")(connection)
    raise LookupError


def fill_the_disk(connection: Connection) -> None:
    connection.exec_driver_sql("INSERT INTO note VALUES (?)", ("x" * 400_000,))


def errors(answers: "list[Future[Any]]") -> list[type[BaseException] | None]:
    return [type(error) if (error := a.exception()) else None for a in answers]


def test_units_that_wait_together_are_one_transaction(
    database: SqliteDatabase, together: Together
) -> None:
    seen = statements(database)
    together(*[add(f"{number:02}") for number in range(20)])
    assert seen.count("BEGIN IMMEDIATE") == 1
    assert len(notes(database.path)) == 20


def test_units_that_come_one_after_the_other_are_not(database: SqliteDatabase) -> None:
    """The control: the count above does see transactions."""
    seen = statements(database)
    for number in range(5):
        database.write(add(str(number)))
    assert seen.count("BEGIN IMMEDIATE") == 5


def test_a_group_has_a_limit(database: SqliteDatabase, together: Together) -> None:
    seen = statements(database)
    together(*[add(f"{number:02}") for number in range(66)])
    assert seen.count("BEGIN IMMEDIATE") == 2
    assert len(notes(database.path)) == 66


def test_a_unit_that_raises_takes_no_other_with_it(
    database: SqliteDatabase, together: Together
) -> None:
    answers = together(add("a"), refuse, add("a"), add("b"))
    assert [str(error.__name__) if error else None for error in errors(answers)] == [
        None,
        "LookupError",
        "IntegrityError",
        None,
    ]
    assert notes(database.path) == ["a", "b"]


def test_a_group_is_done_again_one_by_one_only_where_a_unit_of_it_fails(
    database: SqliteDatabase, together: Together
) -> None:
    seen = statements(database)
    together(add("a"), add("b"))
    assert "SAVEPOINT unit" not in seen
    together(add("c"), refuse, add("d"))
    assert seen.count("ROLLBACK") == 1
    assert seen.count("SAVEPOINT unit") == 3
    assert notes(database.path) == ["a", "b", "c", "d"]


def limit_pages(database: SqliteDatabase, more: int) -> None:
    """Leave room for so many pages: what a full disk is, for this connection alone."""

    def work(connection: Connection) -> None:
        used = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={used + more}")

    database.write(work)


def test_a_disk_that_fills_in_the_middle_of_a_group_fails_it_as_a_whole(
    database: SqliteDatabase, together: Together
) -> None:
    limit_pages(database, more=2)
    answers = together(add("before"), fill_the_disk, add("after"))
    assert errors(answers) == [Unavailable, Unavailable, Unavailable]
    assert notes(database.path) == []


def test_the_writer_works_again_once_the_disk_has_room(
    database: SqliteDatabase, together: Together
) -> None:
    limit_pages(database, more=2)
    together(add("before"), fill_the_disk, add("after"))
    limit_pages(database, more=1000)
    database.write(add("again"))
    assert notes(database.path) == ["again"]


def test_a_unit_alone_that_finds_the_disk_full_says_so_of_the_storage(
    database: SqliteDatabase,
) -> None:
    limit_pages(database, more=2)
    assert not database._writer.failing
    with pytest.raises(Unavailable, match="full"):
        database.write(fill_the_disk)
    assert database._writer.failing


def test_what_follows_a_full_disk_would_otherwise_commit_by_itself(tmp_path: Path) -> None:
    """The control, TRAP 15: the same group, run without a look at `in_transaction`."""
    path = tmp_path / "naive.db"
    make_notes(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA max_page_count=5")
        connection.execute("BEGIN IMMEDIATE")
        for text in ("before", "x" * 400_000, "after"):
            connection.execute("SAVEPOINT unit")
            try:
                connection.execute("INSERT INTO note VALUES (?)", (text,))
            except sqlite3.OperationalError:
                continue
            connection.execute("RELEASE unit")
        connection.rollback()
    assert notes(path) == ["after"]  # a part of a group that was told it failed


def test_a_trigger_that_rolls_everything_back_fails_the_whole_group(
    database: SqliteDatabase, together: Together
) -> None:
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute(
            "CREATE TRIGGER end_all BEFORE INSERT ON note WHEN NEW.text = 'fatal' "
            "BEGIN SELECT RAISE(ROLLBACK, 'all is lost'); END"
        )
    answers = together(add("before"), add("fatal"), add("after"))
    assert errors(answers) == [Unavailable, Unavailable, Unavailable]
    assert notes(database.path) == []
    database.write(add("again"))
    assert notes(database.path) == ["again"]


def test_a_unit_that_hides_the_loss_of_the_transaction_commits_nothing_of_the_group(
    database: SqliteDatabase, together: Together
) -> None:
    def hide(connection: Connection) -> None:
        with pytest.raises(Exception, match="full"):
            fill_the_disk(connection)

    limit_pages(database, more=2)
    answers = together(add("before"), hide, add("after"))
    assert errors(answers) == [Unavailable, Unavailable, Unavailable]
    assert notes(database.path) == []
