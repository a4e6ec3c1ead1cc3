"""A service that is told to stop ends in time, whatever it is doing, and leaves nothing behind."""

import random
from pathlib import Path

import pytest
from stopping import orders, stopped


@pytest.mark.parametrize("seed", range(12))
def test_a_stop_at_any_moment_ends_in_time_and_leaves_nothing(seed: int, tmp_path: Path) -> None:
    stop = stopped(tmp_path, orders(random.Random(seed)))  # noqa: S311
    assert not stop.faults, f"{stop}\n{(tmp_path / 'service.log').read_text()}"
