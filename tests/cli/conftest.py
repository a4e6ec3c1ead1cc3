"""A desk for each test: a migrated database, and nothing else in the environment."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Desk, make_desk
from moves import PASSWORD, MovedDesk, fill
from postgres_server import PostgresServer


@pytest.fixture
def desk(tmp_path: Path, migrated: Path) -> Desk:
    return make_desk(tmp_path, migrated)


@pytest.fixture
def empty_desk(tmp_path: Path) -> Desk:
    """Where nobody has made a database yet."""
    return make_desk(tmp_path)


@pytest.fixture
def target(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty database on PostgreSQL."""
    with postgres.fresh() as url:
        yield url


@pytest.fixture(scope="session")
def moved(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory, migrated: Path
) -> Iterator[MovedDesk]:
    """A database of everything that was moved, with a password on the command line."""
    desk = make_desk(tmp_path_factory.mktemp("moved"), migrated)
    fill(desk)
    with postgres.fresh() as url:
        typed = url.replace("postgres@", f"postgres:{PASSWORD}@")
        yield MovedDesk(desk, url, desk.run("db", "move", "--to", typed))
