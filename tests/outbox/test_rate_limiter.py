"""One pace for all who deliver, because it is in the database."""

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from bench import NINE, POLICY, Bench, RecordingTransport, finish, in_processes, meet, workings
from sqlalchemy import select

from attendance.db import Database, utc_now
from attendance.outbox.dispatcher import Dispatcher
from attendance.outbox.models import Start
from attendance.outbox.rate_limits import HORIZON, LATEST, MARGIN, Lead, Rate, RateLimits
from attendance.outbox.transport import Delivered, Outgoing, Postponed, Rejected, Retry
from attendance.outbox.types import Claim

pytestmark = pytest.mark.both_databases

OVERALL = Rate(5, 1)
PACED = replace(POLICY, rate_limits=RateLimits(OVERALL, Rate(1, 1), Rate(3, 20)))
LEADS = {"here": 0.0, "there": 0.1, "far away": 0.9}


@pytest.fixture
def paced(bench: Bench) -> Bench:
    bench.policy = PACED
    return bench


def too_many_in(starts: list[datetime], rate: Rate) -> list[datetime]:
    """The starts that begin a window with more than the rate allows."""
    starts = sorted(starts)
    pairs = zip(starts, starts[rate.count :], strict=False)
    return [one for one, other in pairs if (other - one).total_seconds() < rate.seconds]


def claim_for(bench: Bench, seconds: float) -> list[Claim]:
    """Whoever looks first claims what he may, whenever something is due, and delivers it."""
    claims: list[Claim] = []
    names, end = itertools.cycle(LEADS), NINE + timedelta(seconds=seconds)
    while bench.clock() < end:
        name = next(names)
        taken = bench.claim(by=name, lead=LEADS[name])
        for claim in taken:
            bench.settle(claim, Delivered(1))
        claims += taken
        due = bench.next_due()
        assert due is not None
        bench.clock.now = max(due, bench.clock() + timedelta(milliseconds=20))
    return claims


@pytest.mark.slow
@pytest.mark.parametrize(("chat", "rate"), [("1", Rate(1, 1)), ("-1", Rate(3, 20))])
def test_several_claimers_keep_the_rate_of_a_chat(paced: Bench, chat: str, rate: Rate) -> None:
    for _ in range(60):
        paced.enqueue(chat)
    claims = claim_for(paced, 45)
    starts = [claim.debit.starts_at for claim in claims]
    assert too_many_in(starts, rate) == []
    assert len(starts) >= 0.75 * 45 * rate.count / rate.seconds
    assert {claim.claimed_by for claim in claims} == set(LEADS)


@pytest.mark.slow
def test_several_claimers_keep_the_rate_over_all_chats(paced: Bench) -> None:
    for chat in range(60):
        paced.enqueue(str(chat))
    starts = [claim.debit.starts_at for claim in claim_for(paced, 10)]
    assert too_many_in(starts, OVERALL) == []
    assert len(starts) >= 40


def test_a_start_is_remembered_for_whoever_plans_an_earlier_one(paced: Bench) -> None:
    """Two workers whose commits take different times plan at the same moment."""
    paced.policy = replace(POLICY, rate_limits=RateLimits(Rate(2, 1)))
    for chat in "abcd":
        paced.enqueue(chat)
    starts = [claim.debit.starts_at for claim in paced.claim(limit=2)]
    paced.clock.forward(0.86)
    starts += [claim.debit.starts_at for claim in paced.claim(limit=1, by="far away", lead=0.9)]
    starts += [claim.debit.starts_at for claim in paced.claim(limit=1, by="here")]
    assert too_many_in(starts, Rate(2, 1)) == []


class Notebook:
    """Writes down when each request began, where every process can read it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, message: Outgoing, total_seconds: float) -> Delivered:  # noqa: ARG002 - a Transport's
        with self._path.open("a") as notebook:
            notebook.write(f"{utc_now().timestamp()}\n")
        return Delivered(message.id)


def deliver_all(url: str, notebook: Path, seconds: float) -> None:
    bench = Bench(Database.at(url), replace(POLICY, rate_limits=RateLimits(Rate(10, 1))))
    end, waiting = time.monotonic() + seconds, [1]
    made = workings(
        bench,
        Notebook(notebook),
        clock=utc_now,
        poll_seconds=0.05,
        new_token=lambda: f"{time.monotonic_ns()}",
        # Asked right before each request: a look at the database would make that late.
        is_alive=lambda: waiting[-1] > 0 and time.monotonic() < end,
        tasks=(lambda: waiting.append(bench.waiting()),),
    )
    dispatcher = Dispatcher(made)
    meet(notebook.with_name("meeting"), 3)
    dispatcher.run()
    dispatcher.stop(5)
    bench.database.close()


@pytest.mark.slow
def test_several_processes_keep_one_pace(bench: Bench, database_url: str, tmp_path: Path) -> None:
    bench.clock.now = utc_now()
    for chat in range(25):
        bench.enqueue(str(chat))
    notebook = tmp_path / "starts"
    in_processes(deliver_all, [(database_url, notebook, 20.0)] * 3)
    starts = [datetime.fromtimestamp(float(line)) for line in notebook.read_text().split()]  # noqa: DTZ006 - compared with each other
    assert len(starts) == 25
    assert too_many_in(starts, Rate(10, 1)) == []


# --- a 429 ---


def test_everybody_waits_as_long_as_a_429_says_and_not_a_moment_less(paced: Bench) -> None:
    message = paced.enqueue()
    paced.settle(paced.claim_one(), Postponed(30, "Too Many Requests"))
    until = paced.clock() + timedelta(seconds=30)
    while paced.clock() < until:
        for name, lead in LEADS.items():
            assert paced.claim(by=name, lead=lead) == []
        paced.clock.forward(0.5)
    assert paced.row(message)["attempts"] == 0
    assert paced.claim_one().debit.starts_at >= until


@pytest.mark.parametrize(("first", "until"), [(3600, 10), (5, 10)])
def test_a_second_chats_429_meanwhile_holds_all_for_as_long_as_it_says(
    bench: Bench, first: float, until: float
) -> None:
    """Each chat also waits for as long as it was told itself."""
    for chat in "ab":
        bench.enqueue(chat)
    one, other = bench.claim()
    bench.settle(one, Postponed(first, "429"))
    bench.settle(other, Postponed(until, "429"))
    third = bench.enqueue("c")
    assert bench.next_due() == NINE + timedelta(seconds=until)
    bench.clock.forward(until - 0.000001)
    assert bench.claim() == []
    bench.clock.forward(0.000001)
    assert third in (claimed := [claim.id for claim in bench.claim()])
    assert (one.id in claimed) is (first < until)


def test_a_429_that_comes_late_holds_its_chat_all_the_same(bench: Bench) -> None:
    """Whoever has the message now must not send it before the time."""
    bench.enqueue()
    stalled = bench.claim_one()
    bench.clock.forward(61)
    bench.settle(bench.claim_one(), Retry("refused"), jitter=0.0)
    assert bench.settle(stalled, Postponed(30, "429")).outcome == "late"
    assert bench.claim() == []
    bench.clock.forward(30)
    assert bench.claim_one().id == stalled.id


def test_a_shorter_429_that_comes_late_does_not_shorten_a_longer_one(bench: Bench) -> None:
    bench.enqueue()
    stalled = bench.claim_one()
    bench.clock.forward(61)
    bench.settle(bench.claim_one(), Postponed(600, "429"))
    bench.settle(stalled, Postponed(5, "429"))
    bench.clock.forward(599)
    assert bench.claim() == []


def test_few_messages_of_a_coarse_rate_do_not_wait_for_each_other(bench: Bench) -> None:
    bench.policy = replace(POLICY, rate_limits=RateLimits(overall=Rate(20, 60)))
    for chat in "abcd":
        bench.enqueue(chat)
    starts = [claim.debit.starts_at for claim in bench.claim()]
    assert len(starts) == 4
    assert max(starts) - NINE < timedelta(milliseconds=50)


def test_a_429_after_another_chats_was_over_holds_only_its_own_chat(bench: Bench) -> None:
    bench.enqueue("a")
    bench.settle(bench.claim_one(), Postponed(10, "429"))
    bench.clock.forward(10)
    bench.settle(bench.claim_one(), Delivered(1))
    bench.enqueue("b")
    bench.settle(bench.claim_one(), Postponed(10, "429"))
    third = bench.enqueue("c")
    assert bench.claim_one().id == third


# --- what a start costs ---


def starts_of(bench: Bench) -> list[int]:
    with bench.database.snapshot() as connection:
        return list(connection.scalars(select(Start.id)))


@pytest.mark.parametrize("outcome", [Rejected("no"), Postponed(0, "429"), Delivered(1)])
def test_a_start_stays_spent_whatever_the_outcome(paced: Bench, outcome: Rejected) -> None:
    paced.enqueue()
    paced.settle(paced.claim_one(), outcome)
    paced.enqueue()
    assert paced.claim() == []
    assert len(starts_of(paced)) == 1


def test_a_start_comes_back_when_its_claim_is_released_unsent(paced: Bench) -> None:
    first, second = paced.enqueue("1"), paced.enqueue("2")
    one, other = paced.claim()
    paced.release(one)
    assert starts_of(paced) == [other.debit.id]
    assert paced.claim_one().id == first
    assert second == other.id


def test_a_start_stays_spent_where_the_lease_ran_out(paced: Bench) -> None:
    paced.enqueue("-1")
    paced.claim_one()
    paced.clock.forward(1)
    assert len(starts_of(paced)) == 1


def test_a_restart_does_not_give_the_rate_anew(paced: Bench) -> None:
    paced.enqueue()
    paced.settle(paced.claim_one(), Delivered(1))
    again = Bench(paced.database, PACED)
    again.enqueue()
    assert again.claim() == []
    again.clock.forward(0.9)
    assert again.claim_one().debit.starts_at == NINE + timedelta(seconds=1) + MARGIN


@pytest.mark.slow
def test_without_rates_nothing_waits_and_nothing_is_written_down(bench: Bench) -> None:
    for _ in range(50):
        bench.enqueue()
        bench.settle(bench.claim_one(), Delivered(1))
    assert starts_of(bench) == []


# --- the dispatcher ---


def late_by(bench: Bench, seconds: float) -> Callable[[], datetime]:
    """A clock that the commit of the first claim puts forward."""

    def clock() -> datetime:
        if bench.row(1)["status"] == "sending" and bench.clock.now == NINE:
            bench.clock.forward(seconds)
        return bench.clock()

    return clock


@pytest.mark.parametrize(("seconds", "sent"), [(0.005, 1), (0.5, 0)])
def test_a_sender_that_is_late_gives_its_start_back(
    paced: Bench, seconds: float, sent: int
) -> None:
    paced.enqueue()
    transport = RecordingTransport()
    dispatcher = Dispatcher(workings(paced, transport, clock=late_by(paced, seconds)))
    dispatcher.run_once()
    finish(dispatcher)
    assert len(transport.sent) == sent
    assert len(starts_of(paced)) == sent
    assert paced.row(1)["attempts"] == sent
    dispatcher.stop(5)


def test_whoever_was_late_plans_further_ahead() -> None:
    lead = Lead()
    for _ in range(30):
        lead.observe(timedelta(milliseconds=100))
    assert timedelta(milliseconds=140) < lead.time < timedelta(milliseconds=151)
    for _ in range(30):
        lead.observe(timedelta(seconds=60))
    assert lead.time <= timedelta(seconds=10)


def test_a_request_is_claimed_a_little_ahead_and_begins_on_time(paced: Bench) -> None:
    paced.enqueue()
    paced.settle(paced.claim_one(), Delivered(1))
    paced.enqueue()
    due = NINE + timedelta(seconds=1) + MARGIN
    paced.clock.now = due - HORIZON
    assert paced.next_due() == paced.clock()
    assert paced.claim_one().debit.starts_at == due
    assert LATEST < MARGIN
