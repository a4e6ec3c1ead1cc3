"""The end of an attempt: what becomes of the message, its lane, and all messages."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from bench import HOLD, NINE, POLICY, Bench
from sqlalchemy import Connection

from attendance.outbox import backoff, circuit_breaker
from attendance.outbox.settlement import LEASE_OVER, settle
from attendance.outbox.transport import (
    Delivered,
    Migrated,
    Misconfigured,
    Outcome,
    Parked,
    Postponed,
    Rejected,
    Retry,
    Uncertain,
)
from attendance.outbox.types import Policy, Settled

pytestmark = pytest.mark.both_databases

JITTER = 0.5


@dataclass(frozen=True)
class Case:
    """What is expected of an outcome; `due` in seconds from now, for what is tried again."""

    outcome: Outcome
    status: str
    policy: Policy = POLICY
    attempts: int = 1
    uncertain: int = 0
    due: float | None = None
    held: bool = False
    parked: bool = False
    moved: bool = False
    stopped: bool = False


AGAIN = backoff.delay(1, JITTER).total_seconds()
CASES = {
    "delivered": Case(Delivered(99), "sent"),
    "postponed": Case(Postponed(30, "slow down"), "pending", attempts=0, due=0, held=True),
    "retry": Case(Retry("refused"), "pending", due=AGAIN),
    "uncertain": Case(Uncertain("reset"), "pending", uncertain=1, due=AGAIN),
    "uncertain-hold": Case(Uncertain("reset"), "uncertain", HOLD, uncertain=1),
    "retry-hold": Case(Retry("refused"), "pending", HOLD, due=AGAIN),
    "rejected": Case(Rejected("no"), "failed"),
    "parked": Case(Parked("blocked"), "failed", parked=True),
    "migrated": Case(Migrated("-100", "moved"), "pending", attempts=0, due=0, moved=True),
    "misconfigured": Case(Misconfigured("401"), "pending", attempts=0, due=0, stopped=True),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def settled(bench: Bench, case: Case) -> Settled:
    """One message, sent two seconds after it was written, with this end three seconds later."""
    bench.policy = case.policy
    bench.enqueue()
    bench.clock.forward(2)
    claim = bench.claim_one()
    bench.clock.forward(3)
    return bench.settle(claim, case.outcome, jitter=JITTER)


def test_what_becomes_of_the_message(bench: Bench, case: Case, settled: Settled) -> None:
    row = bench.row(settled.message_id)
    assert row["status"] == case.status
    assert (row["attempts"], row["uncertain_attempts"]) == (case.attempts, case.uncertain)
    assert row["last_error"] == getattr(case.outcome, "error", None)
    assert (row["token"], row["claimed_by"], row["claimed_at"]) == (None, None, None)


def test_when_it_is_due_again_or_settled(bench: Bench, case: Case, settled: Settled) -> None:
    row, now = bench.row(settled.message_id), bench.clock()
    if case.due is None:
        assert row["settled_at"] == now
    else:
        assert row["settled_at"] is None
        assert row["due_at"] == now + timedelta(seconds=case.due)


def test_a_receipt_is_kept_for_what_was_delivered(
    bench: Bench, case: Case, settled: Settled
) -> None:
    row = bench.row(settled.message_id)
    receipt = (row["telegram_message_id"], row["sent_at"])
    assert receipt == ((99, bench.clock()) if case.status == "sent" else (None, None))


def test_the_attempt_is_written_down(bench: Bench, case: Case, settled: Settled) -> None:
    [attempt] = bench.attempts(settled.message_id)
    assert attempt["outcome"] == type(case.outcome).__name__.lower()
    assert attempt["error"] == getattr(case.outcome, "error", None)
    assert (attempt["number"], attempt["claimed_by"]) == (1, "here")
    assert attempt["started_at"] == NINE + timedelta(seconds=2)
    assert attempt["ended_at"] == NINE + timedelta(seconds=5)


@pytest.mark.usefixtures("settled")
def test_what_becomes_of_the_lane(bench: Bench, case: Case) -> None:
    lane, now = bench.chat(), bench.clock()
    assert lane["hold_until"] == (now + timedelta(seconds=30) if case.held else None)
    assert lane["hold_reason"] == ("slow down" if case.held else None)
    assert lane["parked_at"] == (now if case.parked else None)
    assert lane["park_reason"] == ("blocked" if case.parked else None)
    assert lane["migrated_to"] == ("-100" if case.moved else None)


@pytest.mark.usefixtures("settled")
def test_what_becomes_of_all_messages(bench: Bench, case: Case) -> None:
    probe = bench.clock() + circuit_breaker.FIRST_PROBE
    refused = circuit_breaker.Stopped("misconfigured", probe, "401")
    assert bench.stopped() == (refused if case.stopped else None)


def test_whoever_listens_is_told_once(bench: Bench, case: Case, settled: Settled) -> None:
    assert bench.told == [settled]
    assert settled.outcome == type(case.outcome).__name__.lower()
    assert (settled.status, settled.attempt) == (case.status, 1)
    assert (settled.chat_id, settled.request_id) == ("1", "request")
    assert settled.receipt == (99 if case.status == "sent" else None)


def test_whoever_listens_is_told_in_the_same_transaction(bench: Bench, case: Case) -> None:
    """Where the listener fails, nothing of the settlement stays."""
    message, claim = bench.enqueue(), bench.claim_one()

    def refuse(_connection: Connection, _now: datetime, _settled: Settled) -> None:
        raise LookupError

    def work(connection: Connection) -> list[Settled]:
        return settle(
            connection,
            NINE,
            claim,
            case.outcome,
            policy=case.policy,
            jitter=JITTER,
            on_outcome=refuse,
        )

    with pytest.raises(LookupError):
        bench.database.write(work)
    assert bench.status(message) == "sending"
    assert bench.attempts(message) == []


def test_who_comes_late_changes_nothing_and_leaves_an_attempt(bench: Bench, case: Case) -> None:
    """TRAP 20, for every end that a stalled worker may report."""
    message, stalled = bench.enqueue(), bench.claim_one()
    bench.clock.forward(61)
    bench.claim_one()
    before, lane = bench.row(message), bench.chat()
    settled = bench.settle(stalled, case.outcome)
    assert (settled.outcome, settled.status) == ("late", "taken over")
    assert bench.row(message) == before
    # But for a 429, which holds the chat, whoever has the message now.
    assert (bench.chat() == lane) is not isinstance(case.outcome, Postponed)
    assert bench.outcomes(message) == ["uncertain", "late"]
    assert "another had taken the message over" in bench.attempts(message)[1]["error"]
    assert bench.stopped() is None


def test_a_stalled_sender_and_who_took_its_message_over_are_both_on_record(bench: Bench) -> None:
    message, stalled = bench.enqueue(), bench.claim_one()
    bench.clock.forward(61)
    taken_over = bench.claim(by="there")[0]
    bench.settle(taken_over, Delivered(2))
    bench.settle(stalled, Delivered(1))
    assert [(a["claimed_by"], a["outcome"]) for a in bench.attempts(message)] == [
        ("here", "uncertain"),
        ("there", "delivered"),
        ("here", "late"),
    ]
    assert "delivered as 1" in bench.attempts(message)[2]["error"]
    assert bench.row(message)["telegram_message_id"] == 2


def test_a_lease_that_is_over_but_untaken_settles_as_ever(bench: Bench) -> None:
    message, claim = bench.enqueue(), bench.claim_one()
    bench.clock.forward(3600)
    assert bench.settle(claim, Delivered(1)).outcome == "delivered"
    assert bench.status(message) == "sent"
    assert bench.outcomes(message) == ["delivered"]


def test_an_expired_claim_is_noted_as_uncertain_before_the_next(bench: Bench) -> None:
    message = bench.enqueue()
    bench.claim_one()
    bench.clock.forward(60)
    again = bench.claim_one()
    assert (again.attempt, again.outgoing.repeats) == (2, True)
    [attempt] = bench.attempts(message)
    assert (attempt["number"], attempt["outcome"]) == (1, "uncertain")
    assert attempt["error"] == LEASE_OVER
    assert bench.row(message)["uncertain_attempts"] == 1
    assert [told.outcome for told in bench.told] == ["uncertain"]


def test_an_expired_claim_is_left_to_a_person_where_that_is_wanted(bench: Bench) -> None:
    bench.policy = HOLD
    message, behind = bench.enqueue(), bench.enqueue()
    bench.claim_one()
    bench.clock.forward(60)
    assert bench.claim() == []
    assert bench.status(message) == "uncertain"
    assert bench.row(message)["last_error"] == LEASE_OVER
    assert bench.claim_one().id == behind
    assert [(told.outcome, told.status) for told in bench.told] == [("uncertain", "uncertain")]


def test_a_claim_that_has_not_expired_is_nobody_elses(bench: Bench) -> None:
    bench.enqueue()
    bench.claim_one()
    bench.clock.forward(59.999999)
    assert bench.claim() == []


def test_an_expired_claim_in_a_parked_lane_is_noted_too(bench: Bench) -> None:
    bench.enqueue()
    message = bench.enqueue()
    refused = bench.claim_one()
    bench.settle(refused, Rejected("no"))
    bench.claim_one()
    bench.clock.forward(10)
    bench.park()
    bench.clock.forward(50)
    assert bench.claim() == []
    assert bench.status(message) == "pending"
    assert bench.outcomes(message) == ["uncertain"]


def test_a_repeat_is_one_however_long_ago_the_doubt_was(bench: Bench) -> None:
    bench.enqueue()
    bench.settle(bench.claim_one(), Uncertain("reset"))
    bench.clock.forward(60)
    bench.settle(bench.claim_one(), Retry("refused"))
    bench.clock.forward(60)
    assert bench.claim_one().outgoing.repeats


def test_what_was_surely_not_delivered_is_no_repeat(bench: Bench) -> None:
    bench.enqueue()
    bench.settle(bench.claim_one(), Retry("refused"))
    bench.clock.forward(60)
    assert not bench.claim_one().outgoing.repeats


def test_a_chat_that_moved_is_written_to_at_its_new_address(bench: Bench) -> None:
    first, second = bench.enqueue("-1"), bench.enqueue("-1")
    bench.settle(bench.claim_one(), Migrated("-100", "moved"))
    again = bench.claim_one()
    assert (again.id, again.outgoing.chat_id, again.messages[0].chat_id) == (first, "-100", "-1")
    bench.settle(again, Delivered(1))
    assert bench.claim_one().outgoing.chat_id == "-100"
    assert bench.row(first)["chat_id"] == bench.row(second)["chat_id"] == "-1"


def test_a_chat_that_moved_twice_is_written_to_at_its_last_address(bench: Bench) -> None:
    bench.enqueue("-1")
    bench.settle(bench.claim_one(), Migrated("-100", "moved"))
    bench.settle(bench.claim_one(), Migrated("-200", "moved"))
    assert bench.claim_one().outgoing.chat_id == "-200"


def test_a_chat_that_is_said_to_have_moved_to_where_it_is_waits_as_after_any_failure(
    bench: Bench,
) -> None:
    """Two that name each other come to the same. Uncounted, it would be asked for ever."""
    message = bench.enqueue("1")
    bench.settle(bench.claim_one(), Migrated("2", "upgraded"))
    bench.settle(bench.claim_one(), Migrated("1", "upgraded"))
    assert bench.claim() == []
    assert bench.outcomes(message) == ["migrated", "retry"]
