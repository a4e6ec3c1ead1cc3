"""A few threads that carry messages out side by side."""

import threading
from collections.abc import Iterator

import pytest
from bench import PATIENCE_SECONDS

from attendance.outbox.sender_pool import SenderPool


class Gate:
    """A job that stays under way until it is let through."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self) -> None:
        self.entered.release()
        assert self.open.wait(PATIENCE_SECONDS)

    def await_entry(self) -> None:
        assert self.entered.acquire(timeout=PATIENCE_SECONDS)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


def test_jobs_run_side_by_side(gate: Gate) -> None:
    senders = SenderPool(3)
    for _ in range(3):
        senders.start(gate)
    for _ in range(3):
        gate.await_entry()
    gate.open.set()
    assert senders.wait_idle(PATIENCE_SECONDS)
    senders.close(PATIENCE_SECONDS)


def test_free_is_what_can_start_at_once(gate: Gate) -> None:
    senders = SenderPool(2)
    assert senders.free == 2
    senders.start(gate)
    assert senders.free == 1
    gate.open.set()
    assert senders.wait_idle(PATIENCE_SECONDS)
    assert senders.free == 2
    senders.close(PATIENCE_SECONDS)


def test_whoever_waits_for_a_free_sender_is_called_when_there_is_one() -> None:
    """Called earlier, it would look, find none, and wait for nobody."""
    seen: list[int] = []
    called = threading.Event()

    def look() -> None:
        seen.append(senders.free)
        called.set()

    senders = SenderPool(1, on_free=look)
    senders.start(lambda: None)
    assert called.wait(PATIENCE_SECONDS)
    senders.close(PATIENCE_SECONDS)
    assert seen == [1]


def test_waiting_for_what_does_not_end_ends(gate: Gate) -> None:
    senders = SenderPool(1)
    senders.start(gate)
    assert not senders.wait_idle(0.01)
    gate.open.set()
    assert senders.wait_idle(PATIENCE_SECONDS)
    senders.close(PATIENCE_SECONDS)


def test_no_more_threads_than_are_needed() -> None:
    senders = SenderPool(4)
    for _ in range(10):
        senders.start(lambda: None)
        assert senders.wait_idle(PATIENCE_SECONDS)
    assert len(senders._threads) == 1
    senders.close(PATIENCE_SECONDS)


def test_its_threads_keep_no_process_alive(gate: Gate) -> None:
    """TRAP 27."""
    senders = SenderPool(1)
    senders.start(gate)
    assert all(thread.daemon for thread in senders._threads)
    gate.open.set()
    senders.close(PATIENCE_SECONDS)


def test_a_close_lets_the_threads_end() -> None:
    senders = SenderPool(2)
    senders.start(lambda: None)
    senders.close(PATIENCE_SECONDS)
    assert not any(thread.is_alive() for thread in senders._threads)
