"""Stages for pages, and what other folders lend."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
sys.path.insert(0, str(Path(__file__).parent))

from stage import Stage


@pytest.fixture
def make_stage(tmp_path: Path) -> Iterator[Callable[[], Stage]]:
    """Stages that end with the test."""
    with ExitStack() as stack:

        def make() -> Stage:
            stage = Stage(tmp_path)
            stack.callback(stage.close)
            return stage

        yield make


@pytest.fixture
def stage(make_stage: Callable[[], Stage]) -> Stage:
    """Installed, and nothing started."""
    made = make_stage()
    made.install()
    return made
