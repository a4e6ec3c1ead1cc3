"""Chats are lanes: one message of each at a time, in order."""

from datetime import timedelta

import pytest
from bench import HOLD, NINE, Bench

from attendance.outbox import admin, queue
from attendance.outbox.transport import (
    Delivered,
    Outcome,
    Postponed,
    Rejected,
    Retry,
    Uncertain,
)
from attendance.outbox.types import Claim

pytestmark = pytest.mark.both_databases


def ids(claims: list[Claim]) -> list[int]:
    return [claim.id for claim in claims]


def test_a_claim_takes_only_the_head_of_each_lane(bench: Bench) -> None:
    first, _, other, _ = (bench.enqueue(chat) for chat in ("1", "1", "2", "2"))
    assert ids(bench.claim()) == [first, other]


def test_a_lane_with_a_message_under_way_is_closed_to_every_claimer(bench: Bench) -> None:
    for _ in range(3):
        bench.enqueue()
    assert len(bench.claim(by="here")) == 1
    assert bench.claim(by="there") == []
    assert bench.claim(by="here") == []


def test_the_order_in_a_lane_is_the_order_of_writing(bench: Bench) -> None:
    written = [bench.enqueue(text=str(number)) for number in range(5)]
    sent = []
    for _ in written:
        claim = bench.claim_one()
        sent.append(claim.id)
        bench.settle(claim, Delivered(1))
    assert sent == written


def test_a_message_that_waits_to_be_tried_again_holds_those_behind_it(bench: Bench) -> None:
    bench.enqueue()
    bench.enqueue()
    bench.settle(bench.claim_one(), Retry("refused"))
    assert bench.claim() == []


@pytest.mark.parametrize("outcome", [Delivered(1), Rejected("no"), Uncertain("who knows")])
def test_what_is_settled_blocks_nobody(bench: Bench, outcome: Outcome) -> None:
    bench.policy = HOLD
    bench.enqueue()
    behind = bench.enqueue()
    bench.settle(bench.claim_one(), outcome)
    assert ids(bench.claim()) == [behind]


def test_a_cancelled_message_blocks_nobody(bench: Bench) -> None:
    first, behind = bench.enqueue(), bench.enqueue()
    bench.database.write(lambda c: admin.cancel(c, NINE, [first]))
    assert ids(bench.claim()) == [behind]


def test_a_parked_lane_gives_nothing(bench: Bench) -> None:
    bench.enqueue("1")
    other = bench.enqueue("2")
    bench.database.write(lambda c: admin.pause(c, NINE, "1", "by hand"))
    assert ids(bench.claim()) == [other]


def test_a_held_lane_gives_nothing_until_its_time(bench: Bench) -> None:
    message = bench.enqueue()
    bench.settle(bench.claim_one(), Postponed(30, "Too Many Requests"))
    bench.clock.forward(29.999999)
    assert bench.claim() == []
    bench.clock.forward(0.000001)
    assert ids(bench.claim()) == [message]


def test_a_claim_takes_no_more_than_it_was_told(bench: Bench) -> None:
    for chat in "abcde":
        bench.enqueue(chat)
    assert len(bench.claim(limit=2)) == 2
    assert len(bench.claim(limit=9)) == 3


def test_those_that_were_due_longest_go_first(bench: Bench) -> None:
    bench.enqueue("early")
    bench.settle(bench.claim_one(), Retry("refused"), jitter=0.9)
    bench.clock.forward(0.1)
    late = bench.enqueue("late")
    bench.clock.forward(10)
    assert bench.claim(limit=1)[0].id == late


def test_what_has_no_chat_is_not_claimed(bench: Bench) -> None:
    bench.enqueue(None)
    assert bench.claim() == []


def test_an_older_message_that_comes_back_waits_for_the_one_under_way(bench: Bench) -> None:
    """An admin retries what had failed while a newer message of the chat is being sent."""
    older, newer = bench.enqueue(), bench.enqueue()
    bench.settle(bench.claim_one(), Rejected("no"))
    under_way = bench.claim_one()
    assert under_way.id == newer
    bench.database.write(lambda c: admin.retry(c, NINE, admin.Filter(ids=[older])))
    assert bench.claim() == []
    bench.settle(under_way, Delivered(1))
    assert ids(bench.claim()) == [older]


def test_an_older_message_that_is_adopted_waits_for_the_one_under_way(bench: Bench) -> None:
    bench.enqueue(None)
    bench.enqueue("1")
    bench.claim_one()
    bench.database.write(lambda c: queue.adopt(c, NINE, "1"))
    assert bench.claim() == []


def test_an_older_message_that_came_back_goes_before_one_whose_claim_ran_out(bench: Bench) -> None:
    older, newer = bench.enqueue(), bench.enqueue()
    bench.settle(bench.claim_one(), Rejected("no"))
    bench.claim_one()
    bench.database.write(lambda c: admin.retry(c, NINE, admin.Filter(ids=[older])))
    bench.clock.forward(61)
    assert bench.claim() == []
    assert bench.outcomes(newer) == ["uncertain"]
    bench.settle(bench.claim_one(), Delivered(1))
    again = bench.claim_one()
    assert (bench.status(older), again.id, again.outgoing.repeats) == ("sent", newer, True)


def test_a_claim_carries_what_its_delivery_needs(bench: Bench) -> None:
    message = bench.enqueue(text="Ada checked in.")
    claim = bench.claim_one()
    assert (claim.outgoing.id, claim.outgoing.chat_id) == (message, "1")
    assert (claim.outgoing.text, claim.outgoing.repeats) == ("Ada checked in.", False)
    assert (claim.attempt, claim.messages[0].request_id, claim.claimed_by) == (1, "request", "here")
    row = bench.row(message)
    assert (row["status"], row["attempts"], row["token"]) == ("sending", 1, claim.token)
    assert row["due_at"] == NINE + timedelta(seconds=60)


def test_every_claim_has_a_fresh_token(bench: Bench) -> None:
    """TRAP 17: also the same message's, in the same process."""
    bench.enqueue()
    first = bench.claim_one()
    bench.release(first)
    assert bench.claim_one().token != first.token
