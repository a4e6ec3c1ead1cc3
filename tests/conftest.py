"""What every test may use: a fresh, migrated database of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from attendance.db import Database, assert_no_connections, schema

# The same examples in every run; `pytest --hypothesis-profile=search` looks for new ones.
settings.register_profile("steady", derandomize=True)
settings.register_profile("search", derandomize=False)
settings.load_profile("steady")


@pytest.fixture(autouse=True)
def close_what_was_opened() -> Iterator[None]:
    """A connection that one test leaves open would fail another, which looks for them."""
    yield
    assert_no_connections()


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


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI, which has every tool, a skipped test is a failed one."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("ATTENDANCE_CI") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
