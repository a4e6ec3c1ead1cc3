"""Copies of a database in use, and what is wrong with one."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from notes import add, make_notes, notes, stranger_writing

from attendance.db import DatabaseError, SqliteDatabase


@pytest.fixture(autouse=True)
def one_note(database: SqliteDatabase) -> None:
    make_notes(database.path)
    database.write(add("a"))


def test_a_backup_holds_what_was_committed(database: SqliteDatabase, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    assert database.backup(target) == target.stat().st_size
    assert notes(target) == ["a"]


def test_a_backup_is_one_file_of_its_owners(database: SqliteDatabase, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    place.mkdir()
    database.backup(place / "copy.db")
    assert [path.name for path in place.iterdir()] == ["copy.db"]
    assert stat.S_IMODE((place / "copy.db").stat().st_mode) == 0o600


def test_a_backup_waits_for_no_writer(database: SqliteDatabase, tmp_path: Path) -> None:
    with stranger_writing(database.path) as stranger:
        stranger.execute("INSERT INTO note VALUES ('not yet')")
        database.backup(tmp_path / "copy.db")
    assert notes(tmp_path / "copy.db") == ["a"]


def test_a_backup_overwrites_nothing(database: SqliteDatabase, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("dear")
    with pytest.raises(DatabaseError, match="exists: name a new file"):
        database.backup(tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "dear"


def test_a_backup_that_cannot_be_written_says_why(database: SqliteDatabase, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="No such file or directory"):
        database.backup(tmp_path / "nowhere" / "copy.db")


def test_a_sound_database_has_no_faults(database: SqliteDatabase) -> None:
    assert database.integrity_errors() == []


def test_a_broken_reference_is_a_fault(database: SqliteDatabase) -> None:
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute(
            "INSERT INTO outbox_attempt (outbox_id, number, token, claimed_by, started_at, "
            "ended_at, outcome) VALUES (999, 1, 't', 'me', '', '', 'sent')"
        )
        connection.commit()
    assert database.integrity_errors() == ["outbox_attempt row 1 refers to a outbox that is gone"]
