"""What every test may use: a fresh, migrated database of its own.

Tests that speak of what both databases promise are marked `both_databases`, and run on each; those
among them that speak of SQLite alone, `sqlite_only`. Tests that measure are marked `alone`, or
`calm`. The marks that choose what runs are given by `choosing`, and told of in README.md.
"""

import gc
import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from choosing import MARKS, in_order, kind_of, marks_of, processes, spread
from hypothesis import settings
from postgres_server import HOW_TO_GET_IT, PostgresServer, binaries, running
from taking_turns import turn

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


def pytest_configure(config: pytest.Config) -> None:
    gc.disable()  # while tests are collected, of which none is garbage
    for mark in MARKS:
        config.addinivalue_line("markers", mark)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Use all cores for whole folders, unless the command says how many processes it wants."""
    spread(config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """More than there are cores: the tests wait more than they work."""
    return processes()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Mark the tests before some are chosen by their marks, and put all in order."""
    for item in items:
        for mark in marks_of(item):
            item.add_marker(mark)
    yield
    items[:] = in_order(items)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Outside the test's timeout: to wait for a turn is no fault of the test."""
    with turn(kind_of(item)):
        return (yield)


def pytest_collection_finish() -> None:
    """The tests themselves stay until the end: the collector need not look at them again."""
    gc.freeze()
    gc.enable()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_url" in metafunc.fixturenames and _is_for(metafunc.definition, "both_databases"):
        alone = _is_for(metafunc.definition, "sqlite_only")
        kinds = ["sqlite"] if alone else ["sqlite", "postgres"]
        metafunc.parametrize("database_url", kinds, indirect=True)


def _is_for(definition: pytest.Item, mark: str) -> bool:
    return definition.get_closest_marker(mark) is not None


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of the session's own."""
    place = binaries()
    if place is None:
        pytest.skip(HOW_TO_GET_IT)
    with running(place) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """The name of a migrated database, which nobody has open: it may be copied."""
    postgres.execute("CREATE DATABASE migrated")
    schema.upgrade(postgres.url("migrated"))
    return "migrated"


@pytest.fixture
def postgres_url(postgres: PostgresServer, postgres_template: str) -> Iterator[str]:
    """The URL of a migrated database on PostgreSQL, opened by nobody."""
    with postgres.fresh(postgres_template) as url:
        yield url


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that nobody has open: it may be copied, which takes a thousandth of
    the time of the migrations."""
    path = tmp_path_factory.mktemp("migrated") / "attendance.db"
    schema.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(migrated: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite file, opened by nobody."""
    return f"sqlite:///{shutil.copy(migrated, tmp_path)}"


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database, opened by nobody: SQLite's, where nothing else is said."""
    kind = getattr(request, "param", "sqlite")
    return str(request.getfixturevalue(f"{kind}_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The same, open, and closed at the end of the test."""
    database = Database.at(database_url)
    yield database
    database.close()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI, which has every tool, a skipped test is a failed one."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("ATTENDANCE_CI") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
