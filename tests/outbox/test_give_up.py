"""When trying ends: after a time that stands still while nothing could be delivered at all."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from bench import NINE, Bench
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, insert

from attendance.outbox import admin, circuit_breaker, queue
from attendance.outbox.models import Stoppage
from attendance.outbox.settlement import GIVEN_UP, LEASE_OVER
from attendance.outbox.transport import Misconfigured, Outcome, Parked, Postponed, Retry, Uncertain

pytestmark = pytest.mark.both_databases

DAY = 86400


def wait_out(bench: Bench, seconds: float = DAY + 1) -> None:
    bench.clock.forward(seconds)
    assert bench.claim() == []


def test_what_never_reached_anybody_fails_after_its_time(bench: Bench) -> None:
    message = bench.enqueue()
    bench.clock.forward(DAY)
    bench.settle(bench.claim_one(), Retry("refused"), jitter=0.1)
    wait_out(bench, 1)
    row = bench.row(message)
    assert (row["status"], row["settled_at"]) == ("failed", bench.clock())
    assert row["last_error"] == f"{GIVEN_UP} refused"


def test_whoever_listens_is_told_of_it(bench: Bench) -> None:
    message = bench.enqueue()
    wait_out(bench)
    [told] = bench.told
    assert (told.message_id, told.outcome, told.status) == (message, "given_up", "failed")
    assert (told.attempt, told.chat_id, told.request_id) == (0, "1", "request")


def test_it_is_no_attempt(bench: Bench) -> None:
    message = bench.enqueue()
    wait_out(bench)
    assert bench.attempts(message) == []


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        ([], "failed"),
        ([Retry("refused")], "failed"),
        ([Uncertain("reset")], "uncertain"),
        ([Uncertain("reset"), Retry("refused")], "failed"),
        ([Retry("refused"), Uncertain("reset")], "uncertain"),
        ([Uncertain("reset"), Postponed(1, "slow down")], "uncertain"),  # no attempt was counted
        ([Retry("refused"), Postponed(1, "slow down")], "failed"),
    ],
)
def test_the_last_attempt_says_whether_it_may_have_been_delivered(
    bench: Bench, ends: list[Outcome], status: str
) -> None:
    message = bench.enqueue()
    for end in ends:
        bench.settle(bench.claim_one(), end)
        bench.clock.forward(60)
    wait_out(bench)
    assert bench.status(message) == status


def test_a_claim_that_ran_out_was_its_last_attempt(bench: Bench) -> None:
    message = bench.enqueue()
    bench.claim_one()
    wait_out(bench)
    row = bench.row(message)
    assert row["status"] == "uncertain"
    assert row["last_error"] == f"{GIVEN_UP} {LEASE_OVER}"


def test_those_behind_it_have_their_turn(bench: Bench) -> None:
    bench.enqueue()
    bench.clock.forward(3600)
    behind = bench.enqueue()
    wait_out(bench, DAY - 3599)
    assert bench.claim_one().id == behind


def test_time_passes_in_a_parked_lane_too(bench: Bench) -> None:
    """What follows a refusal waits for a person, but no longer than anything else."""
    bench.enqueue()
    behind = bench.enqueue()
    bench.settle(bench.claim_one(), Parked("blocked"))
    assert bench.next_due() == NINE + bench.policy.give_up_after
    bench.clock.forward(DAY)
    assert bench.claim() == []
    assert bench.status(behind) == "pending"
    wait_out(bench, 1)
    assert bench.status(behind) == "failed"
    assert bench.next_due() is None


def test_a_retry_gives_it_its_full_time_again(bench: Bench) -> None:
    message = bench.enqueue()
    wait_out(bench)
    now = bench.clock()
    bench.database.write(lambda c: admin.retry(c, now, admin.Filter(ids=[message])))
    bench.clock.forward(DAY)
    assert bench.claim_one().id == message


def test_a_resumed_chat_gives_its_messages_their_full_time_again(bench: Bench) -> None:
    message = bench.enqueue()
    bench.park()
    bench.clock.forward(DAY - 1)
    now = bench.clock()
    bench.database.write(lambda c: admin.resume(c, now, "1"))
    bench.clock.forward(DAY)
    assert bench.claim_one().id == message


def test_an_adopted_message_has_its_full_time_still(bench: Bench) -> None:
    message = bench.enqueue(None)
    bench.clock.forward(10 * DAY)
    now = bench.clock()
    bench.database.write(lambda c: queue.adopt(c, now, "1"))
    bench.clock.forward(DAY)
    assert bench.claim_one().id == message


def test_the_clock_stands_still_while_the_bot_is_refused(bench: Bench) -> None:
    message = bench.enqueue()
    bench.settle(bench.claim_one(), Misconfigured("Unauthorized"))
    bench.clock.forward(5 * DAY)
    now = bench.clock()
    bench.database.write(lambda c: circuit_breaker.close(c, now, "misconfigured"))
    bench.clock.forward(DAY)
    bench.settle(bench.claim_one(), Retry("refused"), jitter=0.1)
    wait_out(bench, 1)
    assert bench.status(message) == "failed"


def test_without_the_stoppage_it_would_have_been_given_up(bench: Bench) -> None:
    """The control."""
    bench.enqueue()
    bench.settle(bench.claim_one(), Retry("refused"))
    wait_out(bench, 5 * DAY)


def test_a_parked_lanes_end_moves_with_the_stoppages(bench: Bench) -> None:
    bench.enqueue()
    bench.park()
    bench.database.write(lambda c: circuit_breaker.open(c, NINE, "unconfigured"))
    bench.clock.forward(3600)
    now = bench.clock()
    bench.database.write(lambda c: circuit_breaker.close(c, now, "unconfigured"))
    assert bench.next_due() == now + timedelta(days=1)


# --- the arithmetic, against a count of the seconds one by one ------------------------------------

SECONDS = st.integers(0, 40)
SPANS = st.lists(st.tuples(SECONDS, st.none() | SECONDS), max_size=6)


def second(number: int) -> datetime:
    return NINE + timedelta(seconds=number)


def counted(spans: list[tuple[int, int | None]], since: int, now: int) -> int:
    """The seconds from `since` to `now` in which some stoppage was open, counted one by one."""
    return sum(
        any(start <= moment and (end is None or moment < end) for start, end in spans)
        for moment in range(since, now)
    )


@pytest.fixture(scope="module")
def tables() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    Stoppage.metadata.create_all(engine, [Stoppage.metadata.tables["outbox_stoppage"]])
    yield engine
    engine.dispose()


@pytest.mark.slow
@given(spans=SPANS, since=SECONDS, lasting=SECONDS)
def test_overlapping_stoppages_count_once(
    tables: Engine, spans: list[tuple[int, int | None]], since: int, lasting: int
) -> None:
    now = since + lasting
    ordered = [(start, None if end is None else max(start, end)) for start, end in spans]
    known = _without_two_open(ordered)
    with tables.connect() as connection:
        for start, end in known:
            row = {"reason": "unconfigured", "started_at": second(start)}
            ended_at = None if end is None else second(end)
            connection.execute(insert(Stoppage).values(**row, ended_at=ended_at))
        stopped = circuit_breaker.time_stopped(connection, second(since), second(now))
        connection.rollback()
    assert stopped == timedelta(seconds=counted(known, since, now))


def _without_two_open(spans: list[tuple[int, int | None]]) -> list[tuple[int, int | None]]:
    """The table allows one open stoppage for each reason."""
    still_open = [span for span in spans if span[1] is None]
    return [span for span in spans if span[1] is not None] + still_open[:1]
