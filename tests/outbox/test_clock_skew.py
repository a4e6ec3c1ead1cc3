"""A clock that is set back by an hour delays nothing by an hour."""

from dataclasses import replace
from datetime import timedelta

import pytest
from bench import NINE, POLICY, Bench

from attendance.db import TooBusy
from attendance.outbox import circuit_breaker, parking
from attendance.outbox.clock_skew import ClockSkewGuard
from attendance.outbox.rate_limits import Rate, RateLimits
from attendance.outbox.transport import Delivered, Parked, Postponed, Retry

pytestmark = pytest.mark.both_databases

HOUR = 3600.0


@pytest.fixture
def watched(bench: Bench) -> ClockSkewGuard:
    bench.policy = replace(POLICY, rate_limits=RateLimits(Rate(1, 1), Rate(1, 1), Rate(3, 20)))
    watch = ClockSkewGuard(bench.database, bench.policy, bench.clock)
    watch.check()
    return watch


def test_what_was_written_by_the_later_clock_goes_out_at_once(
    bench: Bench, watched: ClockSkewGuard
) -> None:
    message = bench.enqueue()
    bench.clock.forward(-HOUR)
    assert bench.claim() == []  # the control
    watched.check()
    assert bench.claim_one().id == message


def test_a_pace_that_was_spent_by_the_later_clock_is_spent_now_and_no_longer(
    bench: Bench, watched: ClockSkewGuard
) -> None:
    bench.enqueue()
    bench.enqueue()
    bench.settle(bench.claim_one(), Delivered(1))
    bench.clock.forward(-HOUR)
    watched.check()
    assert bench.claim() == []
    bench.clock.forward(2)
    assert bench.claim_one().id == 2


def test_what_waits_to_be_tried_again_need_not_wait_for_the_hour(
    bench: Bench, watched: ClockSkewGuard
) -> None:
    bench.enqueue()
    bench.settle(bench.claim_one(), Retry("refused"))
    bench.clock.forward(-HOUR)
    watched.check()
    bench.clock.forward(2)
    assert bench.claim_one().attempt == 2


def test_what_is_under_way_keeps_a_whole_lease(bench: Bench, watched: ClockSkewGuard) -> None:
    bench.enqueue()
    bench.claim_one()
    bench.clock.forward(-HOUR)
    watched.check()
    bench.clock.forward(59)
    assert bench.claim() == []
    bench.clock.forward(2)
    assert bench.claim_one().outgoing.repeats


@pytest.mark.parametrize("seconds", [50 * 60, 2 * HOUR])
def test_a_bot_and_a_chat_that_refused_us_are_asked_again_soon(
    bench: Bench, watched: ClockSkewGuard, seconds: float
) -> None:
    bench.enqueue()
    bench.settle(bench.claim_one(), Parked("blocked"))
    bench.database.write(lambda c: circuit_breaker.open(c, NINE, "unreachable"))
    bench.clock.forward(-seconds)
    watched.check()
    bench.clock.forward(0 if seconds > HOUR else HOUR)
    now = bench.clock()
    assert bench.database.write(lambda c: parking.take_probe(c, now)) == "1"
    assert bench.database.write(lambda c: circuit_breaker.take_probe(c, now)) == "unreachable"


def test_what_telegram_had_us_wait_for_is_never_shortened(
    bench: Bench, watched: ClockSkewGuard
) -> None:
    bench.enqueue()
    bench.settle(bench.claim_one(), Postponed(30, "429"))
    bench.clock.forward(-60)
    watched.check()
    bench.clock.forward(89)
    assert bench.claim() == []
    bench.clock.forward(1)
    assert bench.claim_one().id == 1


def test_a_wait_longer_than_telegram_ever_names_is_one_of_a_clock_that_was_ahead(
    bench: Bench, watched: ClockSkewGuard
) -> None:
    bench.clock.forward(365 * 24 * HOUR)
    watched.check()
    bench.enqueue()
    bench.settle(bench.claim_one(), Postponed(5, "429"))
    bench.clock.forward(-365 * 24 * HOUR)
    watched.check()
    bench.clock.forward(24 * HOUR - 1)
    assert bench.claim() == []
    bench.clock.forward(1)
    assert bench.claim_one().id == 1


def test_a_new_process_shortens_neither_a_wait_nor_a_longer_lease(bench: Bench) -> None:
    bench.policy = replace(POLICY, lease=timedelta(seconds=300))
    for chat in "12":
        bench.enqueue(chat)
    told_to_wait, _under_way = bench.claim()
    bench.settle(told_to_wait, Postponed(7200, "429"))
    ClockSkewGuard(bench.database, POLICY, bench.clock).check()
    bench.clock.forward(299)
    assert bench.claim() == []


def test_a_look_that_could_not_write_is_made_again(bench: Bench, watched: ClockSkewGuard) -> None:
    message = bench.enqueue()
    bench.clock.forward(-HOUR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(bench.database), "write", refuse)
        with pytest.raises(TooBusy):
            watched.check()
    watched.check()
    assert bench.claim_one().id == message


def refuse(*_: object, **__: object) -> None:
    raise TooBusy("The database is busy: nothing was written.")


def test_a_new_process_takes_it_for_possible_that_the_clock_was_set_back(bench: Bench) -> None:
    message = bench.enqueue()
    bench.clock.forward(-HOUR)
    ClockSkewGuard(bench.database, bench.policy, bench.clock).check()
    assert bench.claim_one().id == message


def test_a_clock_that_goes_on_costs_nothing(bench: Bench, watched: ClockSkewGuard) -> None:
    bench.database.close()  # whoever wrote would fail
    for _ in range(3):
        bench.clock.forward(60)
        watched.check()
    bench.clock.forward(-timedelta(milliseconds=500).total_seconds())
    watched.check()
