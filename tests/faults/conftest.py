"""A rig for each test: a service of its own, and Telegram played in the test's process."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
sys.path.insert(0, str(Path(__file__).parent))

from hosts import ALL, Hosts
from postgres_server import HOW_TO_GET_IT, PostgresServer, binaries, running
from rig import Rig, Seed
from shared_seed import DURABLE, SharedSeed

from attendance.sandbox import Sandbox


@pytest.fixture(scope="session")
def seed(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Seed:
    return Seed(migrated, tmp_path_factory.mktemp("seed"))


@pytest.fixture
def make_rig(tmp_path: Path, seed: Seed) -> Iterator[Callable[..., Rig]]:
    """Start services, each with a database and a Telegram of its own; they end with the test."""
    with ExitStack() as stack:

        def make(*inside: str, folder: Path | None = None, **settings: str) -> Rig:
            place = folder or tmp_path / str(len(list(tmp_path.iterdir())))
            place.mkdir(exist_ok=True)
            sandbox = stack.enter_context(Sandbox())
            rig = Rig(place, seed, sandbox, *inside, **settings)
            stack.enter_context(rig.service)
            return rig

        yield make


@pytest.fixture(scope="session")
def durable_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that keeps what it was told to, for tests to restart and to crash."""
    place = binaries()
    if place is None:
        pytest.skip(HOW_TO_GET_IT)
    with running(place, **DURABLE) as server:
        yield server


@pytest.fixture(scope="session")
def shared_seed(durable_postgres: PostgresServer) -> SharedSeed:
    return SharedSeed(durable_postgres)


@pytest.fixture
def make_hosts(tmp_path: Path, shared_seed: SharedSeed) -> Iterator[Callable[..., Hosts]]:
    """Start hosts, each time on a database and with a Telegram of their own."""
    with ExitStack() as stack:

        def make(*inside: str, commands: Sequence[str] = ALL, **settings: str) -> Hosts:
            place = tmp_path / str(len(list(tmp_path.iterdir())))
            place.mkdir()
            sandbox = stack.enter_context(Sandbox())
            hosts = Hosts(place, shared_seed, sandbox, *inside, commands=commands, **settings)
            return stack.enter_context(hosts)

        yield make
