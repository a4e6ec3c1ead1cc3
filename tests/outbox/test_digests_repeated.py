"""A digest that may have been delivered is repeated as it was, before anything else."""

from dataclasses import replace

import pytest
from bench import Bench
from grouped import GROUP, PACED, by_hand, ids, next_claim, write

from attendance.outbox import admin
from attendance.outbox.transport import (
    Delivered,
    Migrated,
    Misconfigured,
    Outcome,
    Parked,
    Postponed,
    Retry,
    Uncertain,
)
from attendance.outbox.types import Claim

pytestmark = pytest.mark.both_databases


def same(claim: Claim, again: Claim) -> bool:
    """The same rows, text and reference, and a sign that it may be a repeat."""
    expected = replace(claim.outgoing, repeats=True)
    return ids(again) == ids(claim) and again.outgoing == expected


@pytest.fixture
def doubtful(group: Bench) -> tuple[Bench, Claim]:
    """A digest that may have been delivered, between an older message and a newer one."""
    older = write(group, "Old")[0]
    by_hand(group, admin.cancel, [older])
    write(group, "Ada", "Bob", "Eve")
    claim = group.claim_one()
    group.settle(claim, Uncertain("reset"))
    write(group, "Zoe")
    by_hand(group, admin.retry, admin.Filter(ids=[older]))
    return group, claim


def test_an_uncertain_digest_is_repeated_before_anything_else(
    doubtful: tuple[Bench, Claim],
) -> None:
    group, claim = doubtful
    again = next_claim(group)
    assert same(claim, again)
    group.settle(again, Delivered(1))
    assert ids(next_claim(group)) == [1, 5]


@pytest.mark.parametrize(
    "between",
    [Uncertain("again"), Retry("refused"), Postponed(5, "429"), Misconfigured("401"), None],
)
def test_it_stays_whole_whatever_comes_between(
    doubtful: tuple[Bench, Claim], between: Outcome | None
) -> None:
    group, claim = doubtful
    again = next_claim(group)
    if between is None:
        group.release(again)
    else:
        group.settle(again, between)
    group.database.write(
        lambda c: c.exec_driver_sql("UPDATE outbox_stoppage SET ended_at = started_at") and None
    )
    assert same(claim, next_claim(group))


def test_it_stays_whole_where_its_chat_refuses_it_or_moves(doubtful: tuple[Bench, Claim]) -> None:
    group, claim = doubtful
    group.settle(next_claim(group), Parked("blocked"))
    now = group.clock()
    group.database.write(lambda c: admin.resume(c, now, GROUP))
    group.settle(next_claim(group), Migrated("-100", "moved"))
    group.enqueue("-100")
    again = next_claim(group)
    assert ids(again) == ids(claim)
    assert again.outgoing.text == claim.outgoing.text
    assert again.outgoing.chat_id == "-100"


def test_a_digest_whose_lease_ran_out_is_repeated_as_it_was(group: Bench) -> None:
    write(group, "Ada", "Bob")
    claim = group.claim_one()
    write(group, "Eve")
    again = next_claim(group)
    assert same(claim, again)
    assert [group.outcomes(message) for message in ids(claim)] == [["uncertain"]] * 2


@pytest.mark.parametrize("how", ["reset", "its lease ran out"])
def test_a_held_digest_comes_back_whole_by_hand(group: Bench, how: str) -> None:
    group.policy = replace(PACED, uncertain="hold")
    write(group, "Ada", "Bob")
    claim = group.claim_one()
    if how == "reset":
        group.settle(claim, Uncertain("reset"))
    else:
        group.clock.forward(70)
        assert group.claim() == []
    assert [group.status(message) for message in ids(claim)] == ["uncertain"] * 2
    later = write(group, "Eve")
    passed = next_claim(group)
    assert ids(passed) == later  # what is held holds up nobody
    group.settle(passed, Delivered(1))
    by_hand(group, admin.retry, admin.Filter())
    write(group, "Zoe")
    assert same(claim, next_claim(group))


def test_a_message_cancelled_meanwhile_is_left_out_of_the_repetition(
    doubtful: tuple[Bench, Claim],
) -> None:
    group, claim = doubtful
    by_hand(group, admin.cancel, [3])
    again = next_claim(group)
    assert (ids(again), again.outgoing.text) == ([2, 4], "Ada\nEve")
    assert (again.id, again.outgoing.repeats) == (claim.id, True)
    group.settle(again, Delivered(9))
    assert [group.status(message) for message in ids(claim)] == ["sent", "cancelled", "sent"]


def test_a_message_that_may_have_been_delivered_is_merged_with_no_other(group: Bench) -> None:
    first = write(group, "Ada")[0]
    group.settle(group.claim_one(), Uncertain("reset"))
    write(group, "Bob", "Eve")
    again = next_claim(group)
    assert ids(again) == [first]
    assert again.outgoing.repeats
