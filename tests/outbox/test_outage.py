"""Where nothing gets through, nobody is asked in vain, and nothing fails."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from bench import NINE, POLICY, Bench

from attendance.outbox import circuit_breaker
from attendance.outbox.models import StopReason
from attendance.outbox.rate_limits import Rate, RateLimits
from attendance.outbox.transport import Delivered, Outcome, Rejected, Retry, Uncertain
from attendance.outbox.types import Claim
from attendance.telegram.digest import merge

pytestmark = pytest.mark.both_databases

REFUSED = Retry("connection refused")


def fail(bench: Bench, times: int, outcome: Outcome = REFUSED) -> None:
    for _ in range(times):
        bench.settle(bench.claim(limit=1)[0], outcome, jitter=0)


def probe(bench: Bench) -> StopReason | None:
    now = bench.clock()
    return bench.database.write(lambda c: circuit_breaker.take_probe(c, now))


@pytest.mark.parametrize("outcome", [REFUSED, Uncertain("502")])
def test_the_bot_stops_when_three_requests_got_nowhere(bench: Bench, outcome: Outcome) -> None:
    bench.enqueue()
    fail(bench, 2, outcome)
    assert bench.stopped() is None
    fail(bench, 1, outcome)
    until = NINE + circuit_breaker.FIRST_PROBE
    assert bench.stopped() == circuit_breaker.Stopped("unreachable", until, outcome.error)  # type: ignore[union-attr]
    bench.enqueue("2")
    assert bench.claim() == []


def test_a_digest_that_failed_is_one_request(bench: Bench) -> None:
    bench.policy = replace(POLICY, rate_limits=RateLimits(group=Rate(1, 10)), merge=merge)
    for number in range(5):
        bench.enqueue("-1", line=str(number))
    claim = bench.claim_one()
    assert len(claim.messages) == 5
    bench.settle(claim, REFUSED)
    assert bench.stopped() is None


@pytest.mark.parametrize("answer", [Delivered(1), Rejected("no")])
def test_a_failing_chat_beside_one_that_answers_does_not_stop_the_bot(
    bench: Bench, answer: Outcome
) -> None:
    for _ in range(10):
        bench.enqueue("good")
    bench.enqueue("bad")
    for _ in range(10):
        for claim in bench.claim():
            bench.settle(claim, answer if claim.lane == "good" else REFUSED, jitter=0)
        assert bench.stopped() is None


@pytest.mark.slow
def test_probes_come_at_growing_intervals(bench: Bench) -> None:
    bench.enqueue()
    fail(bench, 3)
    probed = []
    for _ in range(300):
        if probe(bench) is not None:
            probed.append((bench.clock() - NINE).total_seconds())
        bench.clock.forward(1)
    assert probed[:5] == [1, 2, 4, 8, 16]
    pauses = [later - earlier for earlier, later in pairwise(probed)]
    assert pauses == sorted(pauses)
    assert max(pauses) == 30


def test_a_probe_that_succeeds_lets_all_go_on(bench: Bench) -> None:
    first, second = bench.enqueue("1"), bench.enqueue("2")
    fail(bench, 3)
    bench.clock.forward(1)
    assert probe(bench) == "unreachable"
    now = bench.clock()
    bench.database.write(lambda c: circuit_breaker.close(c, now, "unreachable"))
    assert {claim.id for claim in bench.claim()} == {first, second}


# --- an hour, at 20 messages a minute over five groups and a private chat ---

CHATS = ("-1", "-2", "-3", "-4", "-5", "7")
PACE = RateLimits(Rate(30, 1), Rate(1, 1), Rate(20, 60))
OUTAGE = timedelta(hours=1)


class Hour:
    """A dispatcher's rounds on a clock that jumps to whatever comes next."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.bench.policy = replace(POLICY, rate_limits=PACE, merge=merge)
        self.up_at = NINE + OUTAGE
        self.starts: list[datetime] = []
        self.arrivals = deque(NINE + timedelta(seconds=3) * number for number in range(1200))
        self.receipts: list[int] = []
        self.rounds = self.probes = self.in_vain = 0

    def run(self, until: datetime, done: Callable[[], bool] = lambda: False) -> None:
        while self.bench.clock() < until and not done():
            self.rounds += 1
            self._write()
            self._probe()
            claims = self.bench.claim()
            for claim in claims:
                self._send(claim)
            self.in_vain += not claims
            self._jump()

    def _write(self) -> None:
        while self.arrivals and self.arrivals[0] <= self.bench.clock():
            number = len(self.arrivals)
            self.arrivals.popleft()
            self.bench.enqueue(CHATS[number % len(CHATS)], f"No {number}", line=f"No {number}")

    def _probe(self) -> None:
        reason = probe(self.bench)
        self.probes += reason is not None
        if reason is not None and self.bench.clock() >= self.up_at:
            now = self.bench.clock()
            self.bench.database.write(lambda c: circuit_breaker.close(c, now, reason))

    def _send(self, claim: Claim) -> None:
        self.starts.append(claim.debit.starts_at)
        is_up = claim.debit.starts_at >= self.up_at
        self.bench.settle(claim, Delivered(1) if is_up else REFUSED)

    def _jump(self) -> None:
        times = [*([self.arrivals[0]] if self.arrivals else [])]
        due = self.bench.next_due()
        if due is not None:
            times.append(due)
        soon = self.bench.clock() + timedelta(milliseconds=50)
        self.bench.clock.now = max(min(times, default=soon), soon)


@pytest.mark.slow
def test_an_hour_without_telegram_costs_few_attempts_and_no_message(bench: Bench) -> None:
    hour = Hour(bench)
    hour.run(hour.up_at)
    assert len(hour.starts) < 30
    assert hour.probes < 200
    assert hour.rounds < 2000  # it does not spin
    statuses = bench.counts()
    assert statuses["pending"] == 1200
    hour.run(hour.up_at + timedelta(minutes=2), done=lambda: bench.waiting() == 0)
    assert bench.counts()["sent"] == 1200
    assert bench.clock() < hour.up_at + timedelta(seconds=60)
    late = [start for start in hour.starts if start >= hour.up_at]
    pairs = zip(late, late[30:], strict=False)
    assert all(other - one >= timedelta(seconds=1) for one, other in pairs)
