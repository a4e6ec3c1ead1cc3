"""The databases that tests copy are what the migrations make, and nothing else."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from attendance.db import schema

# `rootpage` would tell where a table lies in the file.
_SHAPE = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
_PRAGMAS = ("journal_mode", "page_size", "auto_vacuum", "user_version", "application_id")


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """Made by the migrations, for this test alone."""
    path = tmp_path / "fresh.db"
    schema.upgrade(f"sqlite:///{path}")
    return path


def _query(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def _contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """The rows of each table that has some."""
    tables = [
        str(name) for (name,) in _query(path, "SELECT name FROM sqlite_schema WHERE type = 'table'")
    ]
    rows = {table: _query(path, f"SELECT * FROM {table}") for table in tables}  # noqa: S608
    return {table: found for table, found in rows.items() if found}


def test_a_copy_has_the_shape_of_one_that_was_migrated(sqlite_url: str, fresh: Path) -> None:
    copy = Path(sqlite_url.removeprefix("sqlite:///"))

    assert _query(copy, _SHAPE) == _query(fresh, _SHAPE)
    for pragma in _PRAGMAS:
        assert _query(copy, f"PRAGMA {pragma}") == _query(fresh, f"PRAGMA {pragma}"), pragma
    assert _query(copy, "PRAGMA journal_mode") == [("wal",)]
    assert stat.S_IMODE(copy.stat().st_mode) == stat.S_IMODE(fresh.stat().st_mode) == 0o600


def test_a_copy_shares_no_row_with_others_but_the_revision(sqlite_url: str, fresh: Path) -> None:
    """A secret, an identifier or a moment in it would be the same for all tests."""
    contents = _contents(Path(sqlite_url.removeprefix("sqlite:///")))

    assert contents == {"alembic_version": [(schema.head_revision(),)]} == _contents(fresh)


def test_the_original_is_complete_in_itself(migrated: Path) -> None:
    """A log beside it would hold what a copy of the file alone lacks."""
    assert not migrated.with_name("attendance.db-wal").exists()
