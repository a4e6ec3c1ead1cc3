"""A worker that is told to stop, at whatever line it is, notes it and ends in its loop."""

import os
import queue
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import ThreadWorker

from attendance.web.server.stop import HURRIED_SECONDS, OrderlyStop, _OutOfTime, end_process

SOON = 10.0


def _made(kind: type[ThreadWorker]) -> Any:
    """One with a pool of threads and a loop to wake, and without sockets."""
    worker = kind(1, 0, [], None, 30, Config(), None)
    worker.tpool = ThreadPoolExecutor(1)
    worker.method_queue.init()
    worker.poller = SimpleNamespace(select=lambda _: [])
    return worker


@pytest.fixture
def worker() -> Iterator[Any]:
    worker = _made(OrderlyStop)
    yield worker
    worker.method_queue.close()
    worker.tmp.close()


def _quit(worker: Any) -> None:
    with suppress(SystemExit):
        worker.handle_quit(signal.SIGQUIT, None)


def _is_told_while_it_shuts_its_pool(worker: Any, within_seconds: float) -> bool:
    """Hold the lock that the main thread has in `tpool.shutdown`, where a signal may find it."""
    thread = threading.Thread(target=_quit, args=(worker,), daemon=True)
    with worker.tpool._shutdown_lock:
        thread.start()
        thread.join(within_seconds)
        was_told = not thread.is_alive()
    thread.join(SOON)
    return was_told


def test_it_waits_for_no_lock_when_it_is_told(worker: Any) -> None:
    assert _is_told_while_it_shuts_its_pool(worker, SOON)
    assert not worker.alive


def test_control_gunicorn_s_own_worker_waits_for_a_lock_that_it_may_hold_itself() -> None:
    theirs = _made(ThreadWorker)
    assert not _is_told_while_it_shuts_its_pool(theirs, 0.2)
    theirs.method_queue.close()
    theirs.tmp.close()


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_what_it_is_told_before_it_listens_counts(
    told: int, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Worker, "init_signals", lambda _: None)
    worker.masters_signals = queue.SimpleQueue()
    for sig in (signal.SIGCHLD, told):
        worker.masters_signals.put(sig)
    worker.init_signals()
    assert not worker.alive


def test_what_only_the_master_is_told_does_not(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Worker, "init_signals", lambda _: None)
    worker.masters_signals = queue.SimpleQueue()
    worker.masters_signals.put(signal.SIGHUP)
    worker.init_signals()
    assert worker.alive


def test_a_hurried_stop_waits_a_little_for_requests_and_a_graceful_one_as_long_as_it_may(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    worker.handle_exit(signal.SIGTERM, None)
    now += 10 * HURRIED_SECONDS
    worker.wait_for_and_dispatch_events(1.0)
    worker.handle_quit(signal.SIGINT, None)
    worker.wait_for_and_dispatch_events(1.0)
    now += HURRIED_SECONDS / 2
    worker.handle_quit(signal.SIGQUIT, None)  # once more is no longer
    now += HURRIED_SECONDS / 2
    with pytest.raises(_OutOfTime):
        worker.wait_for_and_dispatch_events(1.0)


@pytest.mark.parametrize("code", [0, 3])
def test_the_process_ends_with_gunicorn_s_code(
    code: int, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr("logging.shutdown", lambda: None)
    worker.pid = os.getpid()
    with suppress(SystemExit):
        try:
            raise SystemExit(code)
        finally:
            end_process(worker)
    assert codes == [code]


def test_the_master_does_not_end_with_a_worker(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    worker.pid = os.getpid() + 1
    end_process(worker)
    assert codes == []
