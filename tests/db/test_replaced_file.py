"""Where the file is deleted or replaced, nothing more is written: nobody would find it."""

import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from attendance.db import BRIEF_WRITE_SECONDS, Damaged, Replaced, SqliteDatabase
from attendance.db.sqlite.identity import FileIdentity


def note(database: SqliteDatabase, words: str) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, words)"))
        connection.execute(text("INSERT INTO note (words) VALUES (:words)"), {"words": words})

    database.write(work)


def notes(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [words for (words,) in connection.execute("SELECT words FROM note ORDER BY id")]


def move(source: Path, target: Path) -> None:
    """With what lies beside it."""
    for end in ("", "-wal", "-shm"):
        if (beside := source.with_name(source.name + end)).exists():
            beside.rename(target.with_name(target.name + end))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere" / "attendance.db"


@pytest.mark.parametrize("is_replaced", [False, True], ids=["gone", "replaced"])
def test_nothing_is_written_into_a_file_that_has_lost_its_name(
    is_replaced: bool,  # noqa: FBT001
    database: SqliteDatabase,
    migrated: Path,
    elsewhere: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    note(database, "before")
    move(database.path, elsewhere)
    if is_replaced:
        shutil.copy(migrated, database.path)

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(Replaced, match="was replaced" if is_replaced else "is gone"):
                note(database, "lost")
        with pytest.raises(Replaced):
            database.check_writable(BRIEF_WRITE_SECONDS)
    assert len(caplog.records) == 1  # a line for all of it
    assert notes(elsewhere) == ["before"]
    if is_replaced:
        with closing(sqlite3.connect(database.path)) as there:
            assert (
                there.execute("SELECT name FROM sqlite_master WHERE name = 'note'").fetchall() == []
            )


def test_it_goes_on_once_the_right_one_is_back(
    database: SqliteDatabase, elsewhere: Path, caplog: pytest.LogCaptureFixture
) -> None:
    note(database, "before")
    move(database.path, elsewhere)
    with pytest.raises(Replaced):
        note(database, "refused")
    move(elsewhere, database.path)

    with caplog.at_level(logging.WARNING):
        note(database, "after")

    database.check_writable(BRIEF_WRITE_SECONDS)
    assert notes(database.path) == ["before", "after"]
    assert "1 writes failed" in caplog.text


def test_control_without_the_look_the_rows_are_answered_for_and_gone(
    database: SqliteDatabase, migrated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note(database, "before")
    for end in ("", "-wal", "-shm"):
        database.sidecar(end).unlink(missing_ok=True)
    shutil.copy(migrated, database.path)
    monkeypatch.setattr(FileIdentity, "check", lambda _: None)

    note(database, "lost")  # and nobody is told so

    with closing(sqlite3.connect(database.path)) as there, pytest.raises(sqlite3.OperationalError):
        there.execute("SELECT * FROM note")


def damage(path: Path) -> None:
    """Overwrite what `note` has on disk with nonsense."""
    content = path.read_bytes()
    at = content.index(b"in this page")
    page = at - at % 4096
    path.write_bytes(content[:page] + b"\xa5" * 4096 + content[page + 4096 :])


def test_a_damaged_page_is_a_failure_of_the_storage_and_is_not_forgotten(
    sqlite_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "attendance.db"
    with closing(SqliteDatabase(path)) as before:
        note(before, "in this page")
    damage(path)
    with closing(SqliteDatabase(path)) as database:
        database.check_writable(BRIEF_WRITE_SECONDS)
        with pytest.raises(Damaged, match="malformed"):
            note(database, "refused")
        with pytest.raises(Damaged), database.snapshot() as connection:
            connection.execute(text("SELECT * FROM note")).fetchall()
        with pytest.raises(Damaged):
            database.check_writable(BRIEF_WRITE_SECONDS)
    assert sqlite_url
