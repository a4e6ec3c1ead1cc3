"""A desk for each test: a migrated database, and nothing else in the environment."""

from pathlib import Path

import pytest
from commands import Desk, make_desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(tmp_path)


@pytest.fixture
def empty_desk(tmp_path: Path) -> Desk:
    """Where nobody has made a database yet."""
    return make_desk(tmp_path, migrated=False)
