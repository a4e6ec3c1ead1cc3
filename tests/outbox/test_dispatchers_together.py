"""Several processes empty one outbox: each message once, each chat in order, whoever dies."""

import os
import secrets
import signal
import threading
import time
from collections import Counter
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from bench import PATIENCE_SECONDS, Bench, RecordingTransport, finish, in_processes, meet, workings

from attendance.db import Database, utc_now
from attendance.outbox.dispatcher import Dispatcher
from attendance.outbox.transport import Delivered, Outgoing

pytestmark = pytest.mark.both_databases

PROCESSES, CHATS, MESSAGES = 3, 10, 200


class Notebook:
    """A transport that writes down what it sends, where every process can read it."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path, self._seconds = path, seconds

    def send(self, message: Outgoing, total_seconds: float) -> Delivered:  # noqa: ARG002 - a Transport's
        with self._path.open("a") as notebook:
            notebook.write(f"{message.chat_id} {message.id} {os.getpid()}\n")
        time.sleep(self._seconds)
        return Delivered(message.id)


def dispatcher_on(bench: Bench, notebook: Path, seconds: float, **changes: Any) -> Dispatcher:
    return Dispatcher(
        workings(
            bench,
            Notebook(notebook, seconds),
            name=str(os.getpid()),
            clock=utc_now,
            poll_seconds=0.05,
            new_token=lambda: secrets.token_hex(16),
            **changes,
        )
    )


def deliver_all(url: str, notebook: Path) -> int:
    """Dispatch until nothing waits; how many ends this process has written."""
    bench = Bench(Database.at(url))
    end = time.monotonic() + PATIENCE_SECONDS
    dispatcher = dispatcher_on(
        bench,
        notebook,
        seconds=0.002,
        senders=4,
        is_alive=lambda: bench.waiting() > 0 and time.monotonic() < end,
    )
    meet(notebook.with_name("meeting"), PROCESSES)
    dispatcher.run()
    dispatcher.stop(PATIENCE_SECONDS)
    bench.database.close()
    return len(bench.told)


def deliver_until_killed(url: str, notebook: Path) -> None:
    dispatcher_on(Bench(Database.at(url)), notebook, seconds=600).run()


@pytest.fixture
def now(bench: Bench) -> Bench:
    """The bench, at the time that it is: other processes have their own clocks."""
    bench.clock.now = utc_now()
    return bench


@pytest.mark.slow
def test_each_message_is_delivered_once_and_in_order(
    now: Bench, database_url: str, tmp_path: Path
) -> None:
    written = [now.enqueue(str(number % CHATS)) for number in range(MESSAGES)]
    notebook = tmp_path / "sent"
    settled = in_processes(deliver_all, [(database_url, notebook)] * PROCESSES)
    lines = [line.split() for line in notebook.read_text().splitlines()]
    assert Counter(int(message) for _, message, _ in lines) == Counter(written)
    for chat in range(CHATS):
        order = [int(message) for to, message, _ in lines if to == str(chat)]
        assert order == sorted(order)
    assert sum(settled) == MESSAGES
    assert len({process for _, _, process in lines}) > 1  # they did work side by side
    assert {now.status(message) for message in written} == {"sent"}


@pytest.mark.slow
def test_what_a_killed_process_had_under_way_is_taken_up_after_its_lease(
    now: Bench, database_url: str, tmp_path: Path
) -> None:
    message = now.enqueue()
    notebook = tmp_path / "sent"
    process = get_context("spawn").Process(
        target=deliver_until_killed, args=(database_url, notebook)
    )
    process.start()
    _await_line(notebook)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(PATIENCE_SECONDS)
    process.close()
    transport = RecordingTransport()
    dispatcher = Dispatcher(workings(now, transport, clock=now.clock))
    now.clock.now = utc_now()
    assert dispatcher.run_once() > 0
    assert transport.sent == []  # its lease is not over
    now.clock.now = utc_now() + now.policy.lease + timedelta(seconds=1)
    dispatcher.run_once()
    finish(dispatcher)
    dispatcher.stop(PATIENCE_SECONDS)
    assert [(sent.id, sent.repeats) for sent in transport.sent] == [(message, True)]
    assert now.outcomes(message) == ["uncertain", "delivered"]


def _await_line(notebook: Path) -> None:
    pause = threading.Event()
    end = time.monotonic() + PATIENCE_SECONDS
    while not notebook.exists() or not notebook.read_text():
        assert time.monotonic() < end
        pause.wait(0.01)
