"""The bench that the tests of the outbox work on."""

import pytest
from bench import Bench

from attendance.db import Database


@pytest.fixture
def bench(database: Database) -> Bench:
    """An empty outbox at nine o'clock."""
    return Bench(database)
