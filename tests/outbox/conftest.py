"""The bench that the tests of the outbox work on."""

import pytest
from bench import Bench
from grouped import PACED

from attendance.db import Database


@pytest.fixture
def bench(database: Database) -> Bench:
    """An empty outbox at nine o'clock."""
    return Bench(database)


@pytest.fixture
def group(bench: Bench) -> Bench:
    """A group to which one request in ten seconds may go."""
    bench.policy = PACED
    return bench
