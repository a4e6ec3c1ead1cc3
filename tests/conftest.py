"""What every test may use: a fresh, migrated database of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from attendance.db import Database, schema


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """The URL of a migrated SQLite file, opened by nobody."""
    url = f"sqlite:///{tmp_path}/attendance.db"
    schema.upgrade(url)
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The same file, open, and closed at the end of the test."""
    database = Database.at(database_url)
    yield database
    database.close()
