"""One writer at a time over all processes, whoever they are."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from notes import processes

from attendance.db.sqlite.turnstile import Turnstile

THREADS, ROUNDS = 4, 25


def collisions(place: Path, *, guarded: bool) -> int:
    """How often a thread of this process found another inside, of whatever process."""
    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(lambda _: _pass_often(place, guarded=guarded), range(THREADS)))


def _pass_often(place: Path, *, guarded: bool) -> int:
    turnstile = Turnstile(place / "file.db")
    guard: Callable[[], AbstractContextManager[None]] = lambda: (  # noqa: E731
        turnstile if guarded else nullcontext()
    )
    met = sum(_pass(place / "inside", guard()) for _ in range(ROUNDS))
    turnstile.close()
    return met


def _pass(marker: Path, guard: AbstractContextManager[None]) -> int:
    with guard:
        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            return 1
        time.sleep(0.001)
        marker.unlink()
        return 0


def _meet(place: Path, *, guarded: bool) -> int:
    (place / "file.db").touch()
    with processes(2) as pool:
        runs = [pool.submit(collisions, place, guarded=guarded) for _ in range(2)]
        return sum(run.result() for run in runs)


@pytest.mark.slow
def test_two_processes_with_many_threads_are_never_inside_together(tmp_path: Path) -> None:
    assert _meet(tmp_path, guarded=True) == 0


@pytest.mark.slow
def test_without_it_they_are(tmp_path: Path) -> None:
    """The control: the same dance with nobody at the door."""
    assert _meet(tmp_path, guarded=False) > 0


def test_its_turn_is_over_when_the_block_raises(tmp_path: Path) -> None:
    (tmp_path / "file.db").touch()
    first, second = Turnstile(tmp_path / "file.db"), Turnstile(tmp_path / "file.db")
    with pytest.raises(LookupError), first:
        raise LookupError
    with second:
        pass
    first.close()
    second.close()


def test_it_opens_nothing_before_its_first_use(tmp_path: Path) -> None:
    Turnstile(tmp_path / "file.db").close()
    assert list(tmp_path.iterdir()) == []
