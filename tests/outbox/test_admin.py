"""What people do by hand: to settled messages only, so that nobody alive is raced."""

from datetime import timedelta

import pytest
from bench import HOLD, NINE, Bench

from attendance.outbox import admin
from attendance.outbox.admin import Changes, Filter
from attendance.outbox.transport import Delivered, Postponed, Rejected, Uncertain

pytestmark = pytest.mark.both_databases


def retry(bench: Bench, chosen: Filter, *, dry_run: bool = False) -> Changes:
    now = bench.clock()
    return bench.database.write(lambda c: admin.retry(c, now, chosen, dry_run=dry_run))


def cancel(bench: Bench, *ids: int) -> Changes:
    now = bench.clock()
    return bench.database.write(lambda c: admin.cancel(c, now, ids))


@pytest.fixture
def every(bench: Bench) -> dict[str, int]:
    """A message of each status, by that status; all a minute old, in chats of their own."""
    bench.policy = HOLD
    ids = {status: bench.enqueue(status) for status in ("sent", "failed", "uncertain", "sending")}
    claims = {claim.lane: claim for claim in bench.claim()}
    bench.settle(claims["sent"], Delivered(1))
    bench.settle(claims["failed"], Rejected("can't parse entities"))
    bench.settle(claims["uncertain"], Uncertain("read timeout"))
    ids["pending"] = bench.enqueue("pending")
    ids["cancelled"] = bench.enqueue("cancelled")
    cancel(bench, ids["cancelled"])
    bench.clock.forward(30)
    return ids


def statuses(bench: Bench, ids: dict[str, int]) -> dict[str, str]:
    return {was: bench.status(message) for was, message in ids.items()}


def changed(ids: dict[str, int], **now: str) -> dict[str, str]:
    return {**{status: status for status in ids}, **now}


def test_a_retry_of_all_takes_what_failed_and_what_is_uncertain(
    bench: Bench, every: dict[str, int]
) -> None:
    changes = retry(bench, Filter())
    assert changes.before == {every["failed"]: "failed", every["uncertain"]: "uncertain"}
    assert changes.refused == {}
    assert statuses(bench, every) == changed(every, failed="pending", uncertain="pending")


def test_a_retry_by_id_also_takes_what_was_cancelled(bench: Bench, every: dict[str, int]) -> None:
    changes = retry(bench, Filter(ids=[every["cancelled"]]))
    assert changes.before == {every["cancelled"]: "cancelled"}
    assert bench.status(every["cancelled"]) == "pending"


def test_a_retry_refuses_what_is_not_settled_or_was_delivered(
    bench: Bench, every: dict[str, int]
) -> None:
    named = [every[status] for status in ("pending", "sending", "sent")]
    changes = retry(bench, Filter(ids=[*named, 999]))
    assert changes.before == {}
    assert changes.refused == {
        every["pending"]: "pending",
        every["sending"]: "sending",
        every["sent"]: "sent",
        999: None,
    }
    assert statuses(bench, every) == changed(every)


def test_a_named_message_that_no_condition_fits_is_refused_with_its_status(
    bench: Bench, every: dict[str, int]
) -> None:
    changes = retry(bench, Filter(ids=[every["failed"]], error="something else"))
    assert changes == Changes({}, {every["failed"]: "failed"})


def test_a_dry_run_says_what_it_would_change_and_changes_nothing(
    bench: Bench, every: dict[str, int]
) -> None:
    changes = retry(bench, Filter(), dry_run=True)
    assert set(changes.before) == {every["failed"], every["uncertain"]}
    assert statuses(bench, every) == changed(every)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Filter(error="parse"), {"failed"}),
        (Filter(error="PARSE"), {"failed"}),
        (Filter(error="time"), {"uncertain"}),
        (Filter(error="%"), set()),  # a part of the text, and no pattern
        (Filter(chat_id="failed"), {"failed"}),
        (Filter(chat_id="sent"), set()),
        (Filter(since=NINE), {"failed", "uncertain"}),
        (Filter(since=NINE + timedelta(microseconds=1)), set()),
        (Filter(error="parse", chat_id="uncertain"), set()),  # all that is given must hold
    ],
)
def test_a_retry_by_filter(
    bench: Bench, every: dict[str, int], chosen: Filter, expected: set[str]
) -> None:
    changes = retry(bench, chosen)
    assert set(changes.before.values()) == expected
    assert statuses(bench, every) == changed(every, **dict.fromkeys(expected, "pending"))


def test_a_retried_message_keeps_its_history_and_has_its_full_time(
    bench: Bench, every: dict[str, int]
) -> None:
    retry(bench, Filter())
    row = bench.row(every["uncertain"])
    assert (row["attempts"], row["uncertain_attempts"]) == (1, 1)
    assert (row["last_error"], row["settled_at"]) == ("read timeout", None)
    assert row["due_at"] == row["give_up_from"] == bench.clock()
    assert bench.outcomes(every["uncertain"]) == ["uncertain"]


@pytest.mark.usefixtures("every")
def test_a_retried_message_goes_out_marked_as_what_it_is(bench: Bench) -> None:
    retry(bench, Filter())
    claims = {claim.lane: claim for claim in bench.claim()}
    assert claims["uncertain"].outgoing.repeats
    assert not claims["failed"].outgoing.repeats
    assert claims["failed"].attempt == 2


def test_a_retry_beside_a_live_claim_changes_nothing_of_it(bench: Bench) -> None:
    """TRAP 24: the worker settles as if nobody had asked."""
    message, claim = bench.enqueue(), bench.claim_one()
    before = bench.row(message)
    retry(bench, Filter())
    retry(bench, Filter(ids=[message]))
    cancel(bench, message)
    assert bench.row(message) == before
    assert bench.settle(claim, Delivered(1)).outcome == "delivered"


def test_a_retry_of_thousands(bench: Bench) -> None:
    ids = [bench.enqueue() for _ in range(3)]
    cancel(bench, *ids)
    many = Filter(ids=[*range(4, 3000), *ids])
    changes = retry(bench, many)
    assert sorted(changes.before) == ids
    assert len(changes.refused) == 2996


def test_a_cancel_takes_what_is_neither_under_way_nor_delivered(
    bench: Bench, every: dict[str, int]
) -> None:
    changes = cancel(bench, *every.values(), 999)
    assert set(changes.before.values()) == {"pending", "failed", "uncertain"}
    assert set(changes.refused.values()) == {"sending", "sent", "cancelled", None}
    assert statuses(bench, every) == changed(
        every, pending="cancelled", failed="cancelled", uncertain="cancelled"
    )
    assert bench.row(every["pending"])["settled_at"] == bench.clock()


def test_a_cancel_of_nothing_changes_nothing(bench: Bench, every: dict[str, int]) -> None:
    assert cancel(bench).before == {}
    assert statuses(bench, every) == changed(every)


def test_a_paused_chat_says_since_when_and_why(bench: Bench) -> None:
    bench.enqueue()
    bench.park()
    lane = bench.chat()
    assert (lane["parked_at"], lane["park_reason"]) == (NINE, "by hand")


def test_a_resumed_chat_waits_on_where_telegram_told_it_to(bench: Bench) -> None:
    message = bench.enqueue()
    bench.settle(bench.claim_one(), Postponed(3600, "slow down"))
    bench.park()
    bench.clock.forward(60)
    now = bench.clock()
    assert bench.database.write(lambda c: admin.resume(c, now, "1"))
    lane = bench.chat()
    assert (lane["parked_at"], lane["park_reason"]) == (None, None)
    assert bench.row(message)["give_up_from"] == now
    assert bench.claim() == []
    bench.clock.forward(3540)
    assert bench.claim_one().id == message


def test_a_chat_that_nobody_knows_is_neither_paused_nor_resumed(bench: Bench) -> None:
    assert not bench.database.write(lambda c: admin.pause(c, NINE, "none", "by hand"))
    assert not bench.database.write(lambda c: admin.resume(c, NINE, "none"))
