"""A trail for each test, on a fresh database."""

import pytest
from trails import Trail

from attendance.db import Database


@pytest.fixture
def trail(database: Database) -> Trail:
    return Trail(database)
