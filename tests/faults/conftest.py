"""A rig for each test: a service of its own, and Telegram played in the test's process."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
sys.path.insert(0, str(Path(__file__).parent))

from rig import Rig, Seed

from attendance.telegram.sandbox import Sandbox


@pytest.fixture(scope="session")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Seed:
    return Seed(tmp_path_factory.mktemp("seed"))


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
