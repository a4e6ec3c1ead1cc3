"""What people read of the outbox."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from bench import NINE, Bench

from attendance.outbox import admin, circuit_breaker, parking, queries, retry_after
from attendance.outbox.models import STATUSES
from attendance.outbox.queries import Stats, overview
from attendance.outbox.transport import Delivered, Rejected

pytestmark = pytest.mark.both_databases


@pytest.fixture
def three(bench: Bench) -> list[int]:
    """One that was sent, one that failed, in chat 1; one that waits, in chat 2."""
    ids = [bench.enqueue("1"), bench.enqueue("1")]
    bench.settle(bench.claim_one(), Delivered(1))
    bench.settle(bench.claim_one(), Rejected("no"))
    return [*ids, bench.enqueue("2")]


def listed(bench: Bench, **chosen: object) -> list[int]:
    with bench.database.snapshot() as connection:
        return [row["id"] for row in queries.messages(connection, **chosen)]  # type: ignore[arg-type]


def stats(bench: Bench) -> Stats:
    with bench.database.snapshot() as connection:
        return queries.stats(connection, bench.clock())


def test_messages_are_listed_the_newest_first(bench: Bench, three: list[int]) -> None:
    assert listed(bench) == three[::-1]


def test_messages_are_listed_by_what_is_asked(bench: Bench, three: list[int]) -> None:
    sent, failed, waiting = three
    assert listed(bench, status="failed") == [failed]
    assert listed(bench, chat_id="1") == [failed, sent]
    assert listed(bench, status="pending", chat_id="1") == []
    assert listed(bench, before_id=waiting) == [failed, sent]
    assert listed(bench, limit=1) == [waiting]


def test_a_token_is_nobodys_to_read(bench: Bench) -> None:
    message = bench.enqueue()
    bench.claim_one()
    with bench.database.snapshot() as connection:
        one = queries.message(connection, message)
        [row] = queries.messages(connection)
    assert one is not None
    assert "token" not in one
    assert "token" not in row


def test_one_message_comes_with_its_attempts(bench: Bench, three: list[int]) -> None:
    with bench.database.snapshot() as connection:
        one = queries.message(connection, three[1])
        nobody = queries.message(connection, 999)
    assert nobody is None
    assert one is not None
    [attempt] = one["attempt_list"]
    assert (attempt["outcome"], attempt["error"]) == ("rejected", "no")


def test_messages_are_found_by_what_they_speak_of(bench: Bench, three: list[int]) -> None:
    with bench.database.snapshot() as connection:
        found = queries.about(connection, "attendance", "7")
        assert queries.about(connection, "attendance", "8") == []
    assert [(row["id"], row["status"]) for row in found] == [
        (three[0], "sent"),
        (three[1], "failed"),
        (three[2], "pending"),
    ]


def test_chats_are_listed_with_what_waits_for_them(bench: Bench, three: list[int]) -> None:
    assert three
    with bench.database.snapshot() as connection:
        chats = {row["chat_id"]: row["waiting"] for row in queries.chats(connection)}
    assert chats == {"1": 0, "2": 1}


def test_the_stats_of_an_empty_outbox(bench: Bench) -> None:
    assert stats(bench) == Stats(dict.fromkeys(STATUSES, 0), 0, None, 0, 0, 0, None)


@pytest.mark.usefixtures("three")
def test_the_stats_count_and_tell_the_oldest_age(bench: Bench) -> None:
    bench.enqueue(None)
    bench.park()
    bench.database.write(lambda c: circuit_breaker.open(c, NINE, "misconfigured", "401"))
    bench.clock.forward(90)
    found = stats(bench)
    assert found.counts == dict.fromkeys(STATUSES, 0) | {"pending": 2, "sent": 1, "failed": 1}
    assert (found.without_chat, found.parked_chats) == (1, 1)
    assert (found.oldest_due_age_seconds, found.sent_last_hour) == (90.0, 1)
    assert found.stopped == "misconfigured"


def _hold(bench: Bench) -> None:
    until = bench.clock() + timedelta(days=1)
    bench.database.write(lambda c: retry_after.hold(c, "1", until, "429"))


def _refuse(bench: Bench) -> None:
    now = bench.clock()
    bench.database.write(lambda c: parking.park(c, now, "1", "403", probed=True))


@pytest.mark.parametrize("hold_up", [Bench.park, _refuse, _hold])
def test_the_oldest_that_may_go_out_is_of_no_chat_that_is_held_up(
    bench: Bench, hold_up: Callable[[Bench], None]
) -> None:
    bench.enqueue("1")
    bench.clock.forward(50)
    assert stats(bench).oldest_due_age_seconds == 50
    hold_up(bench)
    assert stats(bench).oldest_due_age_seconds is None
    bench.enqueue("2")
    bench.clock.forward(40)
    assert stats(bench).oldest_due_age_seconds == 40
    with bench.database.snapshot() as connection:
        assert overview(connection, bench.clock()).oldest_due_age_seconds == 40


def test_a_hold_that_is_over_holds_nothing_up(bench: Bench) -> None:
    bench.enqueue("1")
    _hold(bench)
    bench.clock.forward(86_400)
    assert stats(bench).oldest_due_age_seconds == 86_400


def test_who_refuses_us_is_not_paused(bench: Bench) -> None:
    for chat_id in ("1", "2", "3"):
        bench.enqueue(chat_id)
    now = bench.clock()
    bench.park("1")
    bench.database.write(lambda c: parking.park(c, now, "2", "403", probed=True))
    bench.database.write(lambda c: parking.park(c, now, "3", "topic closed", probed=False))
    found = stats(bench)
    assert (found.parked_chats, found.paused_chats) == (3, 1)


def test_who_refused_us_and_is_paused_then_is_paused(bench: Bench) -> None:
    bench.enqueue("1")
    _refuse(bench)
    bench.park("1")
    assert stats(bench).paused_chats == 1
    _refuse(bench)
    assert stats(bench).paused_chats == 1


@pytest.mark.usefixtures("three")
def test_what_was_sent_an_hour_ago_is_no_longer_counted(bench: Bench) -> None:
    bench.clock.forward(3601)
    assert stats(bench).sent_last_hour == 0


def test_parked_chats_are_named_to_who_retries_into_them(bench: Bench, three: list[int]) -> None:
    bench.park("1")
    with bench.database.snapshot() as connection:
        assert queries.parked_chats_of(connection, three) == {"1": True}
        assert queries.parked_chats_of(connection, three[2:]) == {}


def test_a_cancelled_message_no_longer_waits(bench: Bench, three: list[int]) -> None:
    bench.database.write(lambda c: admin.cancel(c, NINE + timedelta(seconds=1), three[2:]))
    assert stats(bench).oldest_due_age_seconds is None
