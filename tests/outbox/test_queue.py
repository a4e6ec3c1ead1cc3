"""Into the outbox with the data it speaks of, and what a look at it costs."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from bench import NINE, Bench, in_processes, meet
from sqlalchemy import Connection, event

from attendance.db import Database
from attendance.outbox import admin, circuit_breaker, queue
from attendance.outbox.transport import Misconfigured, Postponed, Retry

pytestmark = pytest.mark.both_databases


def test_a_message_goes_with_the_transaction_that_wrote_it(bench: Bench) -> None:
    def work(connection: Connection) -> None:
        queue.enqueue(connection, NINE, queue.Draft("1", "hello", "attendance"))
        raise LookupError

    with pytest.raises(LookupError):
        bench.database.write(work)
    with bench.database.snapshot() as connection:
        for table in ("outbox", "chat"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0  # noqa: S608 - names of ours


def test_a_message_is_due_at_once(bench: Bench) -> None:
    message = bench.enqueue()
    row = bench.row(message)
    assert (row["status"], row["attempts"], row["subject_id"]) == ("pending", 0, "7")
    assert row["created_at"] == row["due_at"] == row["give_up_from"] == NINE


# --- the probe ---------------------------------------------------------------------------------


def test_nothing_is_due_in_an_empty_outbox(bench: Bench) -> None:
    assert bench.next_due() is None


def test_what_waits_is_due_as_soon_as_it_was_written(bench: Bench) -> None:
    bench.enqueue()
    assert bench.next_due() == NINE
    bench.clock.forward(5)
    bench.enqueue("2")
    due = bench.next_due()
    assert due is not None
    assert due <= bench.clock()


def test_what_is_under_way_is_due_when_its_lease_ends(bench: Bench) -> None:
    bench.enqueue()
    bench.claim()
    assert bench.next_due() == NINE + timedelta(seconds=60)


def test_what_is_tried_again_is_due_after_its_wait(bench: Bench) -> None:
    bench.enqueue()
    bench.settle(bench.claim_one(), Retry("refused"), jitter=0.25)
    assert bench.next_due() == NINE + timedelta(seconds=0.25)


def test_a_held_lane_is_due_when_it_is_let_go(bench: Bench) -> None:
    bench.enqueue()
    bench.settle(bench.claim_one(), Postponed(30, "Too Many Requests"))
    assert bench.next_due() == NINE + timedelta(seconds=30)
    bench.enqueue("2")
    assert bench.next_due() == NINE


def test_a_parked_lane_is_due_when_its_head_is_given_up(bench: Bench) -> None:
    bench.enqueue()
    bench.database.write(lambda c: admin.pause(c, NINE, "1", "by hand"))
    assert bench.next_due() == NINE + bench.policy.give_up_after


def test_while_claims_are_stopped_the_probe_is_due(bench: Bench) -> None:
    bench.enqueue()
    bench.settle(bench.claim_one(), Misconfigured("Unauthorized"))
    assert bench.next_due() == NINE + circuit_breaker.FIRST_PROBE


def test_what_has_no_chat_is_never_due(bench: Bench) -> None:
    bench.enqueue(None)
    assert bench.next_due() is None


@pytest.mark.sqlite_only
def test_the_probe_takes_no_lock_and_waits_for_none(bench: Bench) -> None:
    """TRAP 11."""
    bench.enqueue()
    with closing(sqlite3.connect(bench.sqlite.path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        assert bench.next_due() == NINE
        stranger.execute("ROLLBACK")


# --- adopt and release ----------------------------------------------------------------------------


def test_a_default_chat_adopts_what_waited_for_one(bench: Bench) -> None:
    waiting, addressed = bench.enqueue(None), bench.enqueue("2")
    bench.clock.forward(3600)
    now = bench.clock()
    assert bench.database.write(lambda c: queue.adopt(c, now, "1")) == 1
    assert bench.row(waiting)["chat_id"] == "1"
    assert bench.row(waiting)["give_up_from"] == now
    assert bench.row(addressed)["chat_id"] == "2"
    assert bench.row(addressed)["give_up_from"] == NINE
    assert [claim.id for claim in bench.claim()] == [waiting, addressed]


def test_an_adoption_leaves_what_was_cancelled(bench: Bench) -> None:
    waiting = bench.enqueue(None)
    bench.database.write(lambda c: admin.cancel(c, NINE, [waiting]))
    assert bench.database.write(lambda c: queue.adopt(c, NINE, "1")) == 0
    assert bench.row(waiting)["chat_id"] is None


def test_a_released_claim_counts_no_attempt_and_is_due_at_once(bench: Bench) -> None:
    """TRAP 18."""
    message = bench.enqueue()
    assert bench.release(bench.claim_one())
    row = bench.row(message)
    assert (row["status"], row["attempts"], row["due_at"]) == ("pending", 0, NINE)
    assert (row["token"], row["claimed_by"], row["claimed_at"]) == (None, None, None)
    assert bench.attempts(message) == []
    assert bench.claim_one().outgoing.repeats is False


def test_a_claim_that_was_taken_over_cannot_be_released(bench: Bench) -> None:
    message = bench.enqueue()
    old = bench.claim_one()
    bench.clock.forward(61)
    new = bench.claim_one()
    assert not bench.release(old)
    assert bench.row(message)["token"] == new.token


# --- several claimers -----------------------------------------------------------------------------


def claim_all(url: str, place: Path, by: str) -> list[int]:
    """A process claims, one by one, until nothing is left."""
    bench = Bench(Database.at(url))
    meet(place, 2)
    taken: list[int] = []
    while claims := bench.claim(limit=1, by=by):
        taken += [claim.id for claim in claims]
    bench.database.close()
    return taken


@pytest.mark.slow
def test_two_processes_never_take_the_same_message(
    bench: Bench, database_url: str, tmp_path: Path
) -> None:
    written = {bench.enqueue(str(chat)) for chat in range(60)}
    place = tmp_path / "meeting"
    runs = in_processes(claim_all, [(database_url, place, "a"), (database_url, place, "b")])
    taken = [message for run in runs for message in run]
    assert len(taken) == len(written)
    assert set(taken) == written


@pytest.mark.sqlite_only
def test_a_claim_of_nothing_writes_nothing(bench: Bench) -> None:
    seen: list[str] = []
    engine = bench.sqlite._writer._engine
    event.listen(engine, "checkout", lambda driver, *_: driver.set_trace_callback(seen.append))
    bench.claim()
    assert seen
    assert not [statement for statement in seen if statement.startswith(("UPDATE", "INSERT"))]
