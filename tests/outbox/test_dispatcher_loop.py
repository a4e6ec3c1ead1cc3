"""The dispatcher's loop: woken, going on after errors, and stopping."""

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest
from bench import PATIENCE_SECONDS, Bench, RecordingTransport, workings

from attendance.outbox import dispatcher as dispatcher_module
from attendance.outbox.dispatcher import Dispatcher

pytestmark = pytest.mark.both_databases


class Wake(threading.Event):
    """An event that tells when somebody begins to wait for it, and lets a test interrupt."""

    def __init__(self) -> None:
        super().__init__()
        self._idle = threading.Semaphore(0)
        self.before_clear: Callable[[], object] = lambda: None

    def wait(self, timeout: float | None = None) -> bool:
        if not self.is_set():
            self._idle.release()
        return super().wait(timeout)

    def clear(self) -> None:
        self.before_clear()
        super().clear()

    def await_idle(self) -> None:
        assert self._idle.acquire(timeout=PATIENCE_SECONDS)


@pytest.fixture
def wake() -> Wake:
    return Wake()


@pytest.fixture
def transport() -> RecordingTransport:
    return RecordingTransport()


class Loop:
    """A dispatcher that runs in a thread, polling so seldom that a test never sees it."""

    def __init__(self, bench: Bench, transport: RecordingTransport, **changes: object) -> None:
        self.dispatcher = Dispatcher(workings(bench, transport, **changes))
        self.thread = threading.Thread(target=self.dispatcher.run)
        self.transport = transport

    def start(self) -> None:
        self.thread.start()

    def end(self) -> None:
        self.transport.gate.set()
        self.dispatcher.stop(PATIENCE_SECONDS)
        if self.thread.ident is not None:
            self.thread.join(PATIENCE_SECONDS)
            assert not self.thread.is_alive()


@pytest.fixture
def loop(bench: Bench, transport: RecordingTransport, wake: Wake) -> Iterator[Loop]:
    loop = Loop(bench, transport, wake=wake, senders=1)
    yield loop
    loop.end()


def test_a_message_leaves_as_soon_as_its_writer_says_so(
    bench: Bench, loop: Loop, wake: Wake, transport: RecordingTransport
) -> None:
    """TRAP 30."""
    loop.start()
    wake.await_idle()
    bench.enqueue()
    wake.set()
    transport.await_request()


def test_without_a_word_it_would_wait_for_the_poll(
    bench: Bench, loop: Loop, wake: Wake, transport: RecordingTransport
) -> None:
    """The control."""
    loop.start()
    wake.await_idle()
    bench.enqueue()
    assert not transport.under_way.acquire(timeout=0.3)


def test_a_message_written_during_a_round_is_not_overlooked(
    bench: Bench, loop: Loop, wake: Wake, transport: RecordingTransport
) -> None:
    """A word that comes just before the event is cleared is one that the next look will see."""
    loop.start()
    wake.await_idle()

    def write_once() -> None:
        wake.before_clear = lambda: None
        bench.enqueue()
        wake.set()

    wake.before_clear = write_once
    wake.set()
    transport.await_request()


def test_the_next_message_leaves_as_soon_as_a_sender_is_free(
    bench: Bench, loop: Loop, transport: RecordingTransport
) -> None:
    for chat in "abc":
        bench.enqueue(chat)
    loop.start()
    for _ in "abc":
        transport.await_request()


def test_the_next_message_of_a_chat_leaves_as_soon_as_the_one_before_is_settled(
    bench: Bench, loop: Loop, transport: RecordingTransport
) -> None:
    written = [bench.enqueue() for _ in range(5)]
    loop.start()
    for _ in written:
        transport.await_request()
    assert transport.ids == written


def test_a_database_error_is_survived(
    bench: Bench,
    loop: Loop,
    transport: RecordingTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TRAP 28."""
    failed = threading.Event()
    monkeypatch.setattr(dispatcher_module, "_AFTER_ERROR_SECONDS", 0.01)
    monkeypatch.setattr(dispatcher_module.logger, "exception", lambda *_: failed.set())
    bench.enqueue()
    rename(bench, "outbox", "gone")
    loop.start()
    assert failed.wait(PATIENCE_SECONDS)
    rename(bench, "gone", "outbox")
    transport.await_request()


def fail(*_: object) -> None:
    raise LookupError


@pytest.mark.parametrize(
    ("changes", "doing"),
    [
        ({"clock": fail}, "round"),
        ({"tasks": [fail]}, "task"),
        ({"probes": [fail]}, "probe"),
        ({"probes": [lambda: fail]}, "probe"),
        ({"random": fail}, "delivery"),
    ],
)
def test_whatever_fails_is_told_to_who_notes_crashes(
    bench: Bench, transport: RecordingTransport, changes: Any, doing: str
) -> None:
    told: SimpleQueue[tuple[str, Exception]] = SimpleQueue()
    loop = Loop(bench, transport, on_crash=lambda *it: told.put(it), **changes)
    bench.enqueue()
    loop.start()
    what, error = told.get(timeout=PATIENCE_SECONDS)
    loop.end()

    assert (what, type(error)) == (doing, LookupError)


def test_a_claim_that_fails_behind_a_delivery_is_told_too(
    bench: Bench, transport: RecordingTransport
) -> None:
    """The delivery itself is noted all the same."""
    told: SimpleQueue[tuple[str, Exception]] = SimpleQueue()
    tokens = iter(["first"])
    loop = Loop(
        bench,
        transport,
        senders=1,
        new_token=lambda: next(tokens),
        on_crash=lambda *it: told.put(it),
    )
    messages = [bench.enqueue() for _ in range(2)]
    loop.start()
    what, error = told.get(timeout=PATIENCE_SECONDS)
    loop.end()

    assert (what, type(error)) == ("delivery", StopIteration)
    assert bench.status(messages[0]) == "sent"


def rename(bench: Bench, table: str, name: str) -> None:
    renamed = f"ALTER TABLE {table} RENAME TO {name}"
    bench.database.write(lambda c: c.exec_driver_sql(renamed).rowcount)


def test_a_worker_that_ends_ends_the_loop(bench: Bench, transport: RecordingTransport) -> None:
    Dispatcher(workings(bench, transport, is_alive=lambda: False)).run()


def test_a_stop_waits_for_what_is_under_way(
    bench: Bench, loop: Loop, transport: RecordingTransport
) -> None:
    message = bench.enqueue()
    transport.gate.clear()
    loop.start()
    transport.await_request()
    assert not loop.dispatcher.stop(0.05)
    transport.gate.set()
    assert loop.dispatcher.stop(PATIENCE_SECONDS)
    assert bench.status(message) == "sent"


def test_after_a_stop_nothing_is_claimed(
    bench: Bench, loop: Loop, wake: Wake, transport: RecordingTransport
) -> None:
    loop.start()
    wake.await_idle()
    assert loop.dispatcher.stop(PATIENCE_SECONDS)
    message = bench.enqueue()
    wake.set()
    loop.thread.join(PATIENCE_SECONDS)
    assert bench.status(message) == "pending"
    assert transport.sent == []


def test_a_stop_waits_for_the_round_that_has_begun(
    bench: Bench, transport: RecordingTransport, wake: Wake
) -> None:
    """Else that round could still send something, or write to a database that was closed."""
    begun, go_on = threading.Event(), threading.Event()

    def take_long() -> None:
        begun.set()
        assert go_on.wait(PATIENCE_SECONDS)

    message = bench.enqueue()
    loop = Loop(bench, transport, wake=wake, tasks=[take_long])
    loop.start()
    assert begun.wait(PATIENCE_SECONDS)
    assert not loop.dispatcher.stop(0.05)
    go_on.set()
    assert loop.dispatcher.stop(PATIENCE_SECONDS)
    assert (bench.status(message), bench.row(message)["attempts"]) == ("pending", 0)
    loop.end()
    assert transport.sent == []


def test_a_stop_that_comes_between_two_rounds_is_not_overlooked(loop: Loop, wake: Wake) -> None:
    """Its word must not be cleared away by a loop that then waits for the poll."""
    loop.start()
    wake.await_idle()
    wake.before_clear = lambda: loop.dispatcher.stop(0)
    wake.set()
    loop.thread.join(PATIENCE_SECONDS)
    assert not loop.thread.is_alive()


def test_a_stop_may_come_from_the_loops_own_thread(
    bench: Bench, transport: RecordingTransport, wake: Wake
) -> None:
    """A signal's handler runs wherever the main thread is."""
    stopped: list[bool] = []
    loop = Loop(bench, transport, wake=wake, tasks=[lambda: stopped.append(stop())])

    def stop() -> bool:
        return loop.dispatcher.stop(PATIENCE_SECONDS)

    loop.start()
    loop.thread.join(PATIENCE_SECONDS)
    assert stopped == [True]


def test_a_stop_sees_to_what_has_to_be_done_last(
    bench: Bench, transport: RecordingTransport
) -> None:
    done: list[str] = []
    dispatcher = Dispatcher(workings(bench, transport, on_stop=lambda: done.append("stopped")))
    assert dispatcher.stop(PATIENCE_SECONDS)
    assert done == ["stopped"]
