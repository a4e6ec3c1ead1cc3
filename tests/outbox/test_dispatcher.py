"""One round of the dispatcher: run the tasks, claim what is due, send it, write the end."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from bench import PATIENCE_SECONDS, Bench, RecordingTransport, finish, workings
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from attendance.outbox import claim, delivery
from attendance.outbox.dispatcher import Dispatcher
from attendance.outbox.rate_limits import Rate, RateLimits
from attendance.outbox.transport import Delivered, Misconfigured, Outgoing, Retry
from attendance.outbox.types import Settled

pytestmark = pytest.mark.both_databases

Make = Callable[..., Dispatcher]


@pytest.fixture
def transport() -> RecordingTransport:
    return RecordingTransport()


@pytest.fixture
def make(bench: Bench, transport: RecordingTransport) -> Iterator[Make]:
    """Dispatchers on the bench, which are stopped at the end."""
    made: list[Dispatcher] = []

    def dispatcher(**changes: object) -> Dispatcher:
        made.append(Dispatcher(workings(bench, changes.pop("transport", transport), **changes)))
        return made[-1]

    yield dispatcher
    transport.gate.set()
    for one in made:
        assert one.stop(PATIENCE_SECONDS)


def test_a_round_delivers_what_is_due(
    bench: Bench, make: Make, transport: RecordingTransport
) -> None:
    first, second = bench.enqueue("1"), bench.enqueue("2")
    dispatcher = make()
    assert dispatcher.run_once() == 0.0
    finish(dispatcher)
    assert sorted(transport.ids) == [first, second]
    assert [bench.status(message) for message in (first, second)] == ["sent", "sent"]
    assert transport.limits == [25.0, 25.0]


def test_rounds_deliver_a_chat_in_order(
    bench: Bench, make: Make, transport: RecordingTransport
) -> None:
    written = [bench.enqueue() for _ in range(4)]
    dispatcher = make()
    for _ in written:
        dispatcher.run_once()
        finish(dispatcher)
    assert transport.ids == written


def test_an_empty_round_waits_for_the_poll(make: Make) -> None:
    assert make(poll_seconds=7.0).run_once() == 7.0


def test_a_round_waits_no_longer_than_until_something_is_due(bench: Bench, make: Make) -> None:
    bench.enqueue()
    bench.settle(bench.claim_one(), Retry("refused"), jitter=0.25)
    assert make(poll_seconds=7.0).run_once() == 0.25
    assert make(poll_seconds=0.1).run_once() == 0.1


def test_a_round_claims_only_what_can_start_now(
    bench: Bench, make: Make, transport: RecordingTransport
) -> None:
    """TRAP 19."""
    ids = [bench.enqueue(chat) for chat in "abc"]
    transport.gate.clear()
    dispatcher = make(senders=2, poll_seconds=7.0)
    dispatcher.run_once()
    assert dispatcher.run_once() == 7.0
    assert [bench.status(message) for message in ids] == ["sending", "sending", "pending"]


def test_nothing_is_sent_while_a_transaction_is_open(bench: Bench, make: Make) -> None:
    """TRAP 23: the writer is free while a request is under way."""
    bench.enqueue()

    class Writing(RecordingTransport):
        def send(self, message: Outgoing, total_seconds: float) -> Delivered:  # noqa: ARG002 - a Transport's
            bench.enqueue(None)
            return Delivered(message.id)

    dispatcher = make(transport=Writing())
    dispatcher.run_once()
    finish(dispatcher)
    assert bench.status(1) == "sent"


@pytest.mark.parametrize("how", ["its worker ends", "it is stopped"])
def test_what_was_claimed_at_the_stop_is_given_back_uncounted(
    bench: Bench, make: Make, transport: RecordingTransport, how: str
) -> None:
    message = bench.enqueue()
    dispatcher = make(is_alive=lambda: how != "its worker ends")
    if how == "it is stopped":
        dispatcher.stop(0)
    dispatcher.run_once()
    finish(dispatcher)
    row = bench.row(message)
    assert (row["status"], row["attempts"], row["due_at"]) == ("pending", 0, bench.clock())
    assert transport.sent == []


def test_a_sender_that_is_free_again_takes_what_is_due_next(
    bench: Bench, make: Make, transport: RecordingTransport
) -> None:
    """Claimed in the commit that settles the last one: a busy chat waits for no round."""
    written = [bench.enqueue() for _ in range(3)]
    dispatcher = make(senders=1)
    dispatcher.run_once()
    finish(dispatcher)
    assert transport.ids == written
    assert [bench.status(message) for message in written] == ["sent"] * 3


def test_the_log_tells_of_failures_and_of_what_was_sent_after_one(
    bench: Bench, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "attendance.outbox.delivery")
    message = bench.enqueue()
    dispatcher = make(transport=RecordingTransport(Retry("refused")))
    for _ in range(2):
        dispatcher.run_once()
        finish(dispatcher)
        bench.clock.forward(60)
    bench.enqueue()
    dispatcher.run_once()
    finish(dispatcher)
    told = [(one.levelname, one.getMessage()) for one in caplog.records]
    assert told == [
        ("WARNING", f"Message {message} to chat 1: attempt 1 retry, now pending (refused)"),
        ("INFO", f"Message {message} to chat 1: attempt 2 delivered, now sent"),
        ("DEBUG", f"Message {message + 1} to chat 1: attempt 1 delivered, now sent"),
    ]


def test_what_cannot_be_claimed_does_not_undo_the_end_before_it(
    bench: Bench, make: Make, transport: RecordingTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = bench.enqueue(), bench.enqueue()
    dispatcher = make()
    transport.gate.clear()
    dispatcher.run_once()
    monkeypatch.setattr(claim, "claim", lambda *_: 1 / 0)
    transport.gate.set()
    finish(dispatcher)
    assert [bench.status(message) for message in (first, second)] == ["sent", "pending"]


@pytest.mark.sqlite_only
def test_a_disk_that_has_no_room_for_the_next_claim_does_not_undo_the_end_before_it(
    bench: Bench, make: Make, transport: RecordingTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLITE_FULL ends the whole transaction, whoever catches it."""

    def fill(connection: Connection, *_: object) -> None:
        connection.connection.rollback()
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))

    first, second = bench.enqueue(), bench.enqueue()
    dispatcher = make()
    transport.gate.clear()
    dispatcher.run_once()
    monkeypatch.setattr(claim, "claim", fill)
    transport.gate.set()
    finish(dispatcher)
    assert [bench.status(message) for message in (first, second)] == ["sent", "pending"]
    assert len(transport.sent) == 1


def test_a_probe_that_takes_long_keeps_no_sender_and_no_other_from_its_work(
    bench: Bench, make: Make
) -> None:
    asked, answer = [], threading.Event()

    def ask() -> None:
        asked.append(bench.clock())
        assert answer.wait(PATIENCE_SECONDS)

    dispatcher = make(senders=1, probes=(lambda: ask, lambda: ask))
    for _ in range(3):
        message = bench.enqueue()
        dispatcher.run_once()
        finish(dispatcher)
        assert bench.status(message) == "sent"
    assert len(asked) == 1
    answer.set()


def test_a_probe_that_raises_is_made_again(bench: Bench, make: Make) -> None:
    asked: list[datetime] = []

    def ask() -> None:
        asked.append(bench.clock())
        raise LookupError

    dispatcher = make(probes=(lambda: ask,))
    for _ in range(2):
        dispatcher.run_once()
        assert dispatcher._prober.wait_idle(PATIENCE_SECONDS)
    assert len(asked) == 2


def test_what_waits_for_its_start_at_the_stop_is_given_back(
    bench: Bench, make: Make, transport: RecordingTransport
) -> None:
    bench.policy = replace(bench.policy, rate_limits=RateLimits(overall=Rate(1, 1)))
    dispatcher = make(senders=1)
    dispatcher._claimer.lead.time = timedelta(seconds=8)
    message = bench.enqueue()
    dispatcher.run_once()
    assert dispatcher.stop(PATIENCE_SECONDS)
    assert transport.sent == []
    assert (bench.status(message), bench.row(message)["attempts"]) == ("pending", 0)


def test_a_transport_that_raises_has_told_us_nothing(bench: Bench, make: Make) -> None:
    message = bench.enqueue()
    dispatcher = make(transport=RecordingTransport(ZeroDivisionError()))
    dispatcher.run_once()
    finish(dispatcher)
    assert bench.status(message) == "pending"
    assert bench.outcomes(message) == ["uncertain"]
    bench.clock.forward(60)
    dispatcher.run_once()
    finish(dispatcher)
    assert bench.outcomes(message) == ["uncertain", "delivered"]


def test_a_task_that_raises_stops_neither_the_others_nor_the_messages(
    bench: Bench, make: Make, transport: RecordingTransport
) -> None:
    done: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError

    bench.enqueue()
    dispatcher = make(tasks=[fail, lambda: done.append("second")])
    dispatcher.run_once()
    finish(dispatcher)
    assert done == ["second"]
    assert len(transport.sent) == 1


def test_a_round_that_gave_up_looks_again_soon(
    bench: Bench, make: Make, transport: RecordingTransport
) -> None:
    bench.enqueue()
    bench.clock.forward(2 * 86400)
    behind = bench.enqueue()
    dispatcher = make()
    assert 0 < dispatcher.run_once() < 1
    dispatcher.run_once()
    finish(dispatcher)
    assert transport.ids == [behind]


def test_a_refused_bot_sends_nothing_more(bench: Bench, make: Make) -> None:
    bench.enqueue("1")
    transport = RecordingTransport(Misconfigured("Unauthorized"))
    dispatcher = make(transport=transport)
    dispatcher.run_once()
    finish(dispatcher)
    bench.enqueue("2")
    assert dispatcher.run_once() == 1.0  # until the probe
    assert len(transport.sent) == 1


@pytest.mark.sqlite_only
def test_an_idle_round_takes_no_lock_and_writes_nothing(bench: Bench, make: Make) -> None:
    """TRAP 11: also beside messages that are not due yet."""
    bench.enqueue()
    bench.settle(bench.claim_one(), Retry("refused"))
    wal = bench.sqlite.path.with_name("attendance.db-wal")
    dispatcher = make()
    with closing(sqlite3.connect(bench.sqlite.path, isolation_level=None)) as stranger:
        before = (stranger.execute("PRAGMA data_version").fetchone(), wal.stat().st_mtime_ns)
        stranger.execute("BEGIN IMMEDIATE")
        for _ in range(5):
            assert dispatcher.run_once() > 0
        stranger.execute("ROLLBACK")
        after = (stranger.execute("PRAGMA data_version").fetchone(), wal.stat().st_mtime_ns)
    assert before == after


@pytest.mark.sqlite_only
def test_a_busy_round_would_have_been_seen(bench: Bench, make: Make) -> None:
    """The control."""
    dispatcher = make()
    with closing(sqlite3.connect(bench.sqlite.path, isolation_level=None)) as stranger:
        before = stranger.execute("PRAGMA data_version").fetchone()
        bench.enqueue()
        dispatcher.run_once()
        finish(dispatcher)
        assert stranger.execute("PRAGMA data_version").fetchone() != before


def run(bench: Bench, statement: str) -> None:
    with closing(sqlite3.connect(bench.sqlite.path, isolation_level=None)) as stranger:
        stranger.execute(statement)


@pytest.mark.sqlite_only
def test_an_end_is_written_once_the_database_can_be_written_again(
    bench: Bench, make: Make, transport: RecordingTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_SETTLE_AGAIN_SECONDS", 0.01)
    message = bench.enqueue()
    refused = threading.Semaphore(0)
    monkeypatch.setattr(delivery.logger, "warning", lambda *_: refused.release())
    run(
        bench,
        "CREATE TRIGGER broken BEFORE INSERT ON outbox_attempt "
        "BEGIN SELECT RAISE(ROLLBACK, 'the disk is gone'); END",
    )
    dispatcher = make()
    dispatcher.run_once()
    for _ in range(3):
        assert refused.acquire(timeout=PATIENCE_SECONDS)
    assert bench.status(message) == "sending"
    run(bench, "DROP TRIGGER broken")
    finish(dispatcher)
    assert bench.status(message) == "sent"
    assert bench.outcomes(message) == ["delivered"]
    assert len(transport.sent) == 1


def test_an_end_that_cannot_be_told_is_left_to_its_lease(bench: Bench, make: Make) -> None:
    def refuse(_connection: Connection, _now: datetime, _settled: Settled) -> None:
        raise LookupError

    message = bench.enqueue()
    dispatcher = make(on_outcome=refuse)
    dispatcher.run_once()
    finish(dispatcher)
    assert bench.status(message) == "sending"


def test_a_stalled_sender_writes_a_late_attempt(bench: Bench, make: Make) -> None:
    """TRAP 20, with real threads: the first request ends after its claim was taken over."""
    message = bench.enqueue()
    slow = RecordingTransport(Delivered(111))
    slow.gate.clear()
    stalled, other = make(name="stalled", transport=slow), make(name="other")
    stalled.run_once()
    slow.await_request()
    bench.clock.forward(61)
    other.run_once()
    finish(other)
    slow.gate.set()
    finish(stalled)
    assert [(a["claimed_by"], a["outcome"]) for a in bench.attempts(message)] == [
        ("stalled", "uncertain"),
        ("other", "delivered"),
        ("stalled", "late"),
    ]
    assert bench.row(message)["telegram_message_id"] == 1


def test_the_rest_is_long_only_where_what_comes_in_is_looked_at_in_vain(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher, rests = make(), list[float]()
    monkeypatch.setattr(dispatcher._stopping, "wait", rests.append)
    dispatcher._deps.wake.set()
    for _ in range(4):
        dispatcher._rest(1.0)
    dispatcher._rest(0.0)  # something could start
    dispatcher._rest(1.0)
    assert rests == [0.02, 0.02, 0.02, 0.05, 0.02]

    dispatcher._deps.wake.clear()  # nothing comes in: whoever comes first waits the shorter time
    for _ in range(5):
        dispatcher._rest(0.06)
    assert rests[5:] == [0.02] * 5
