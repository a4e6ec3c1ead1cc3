"""A chat that refuses us waits for a probe or a person, never for a message."""

from datetime import timedelta
from functools import partial
from itertools import pairwise

import pytest
from bench import NINE, Bench

from attendance.outbox import admin, parking, queries, queue
from attendance.outbox.transport import Delivered, Parked, Postponed

pytestmark = pytest.mark.both_databases

MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.fixture
def parked(bench: Bench) -> Bench:
    """A chat that blocked us at the first of two messages."""
    bench.enqueue()
    bench.enqueue()
    bench.settle(bench.claim_one(), Parked("blocked"))
    return bench


def take_probe(bench: Bench) -> str | None:
    now = bench.clock()
    return bench.database.write(lambda c: parking.take_probe(c, now))


def resume(bench: Bench) -> None:
    now = bench.clock()
    assert bench.database.write(lambda c: admin.resume(c, now, "1"))


def test_the_message_at_hand_fails_and_what_follows_waits(parked: Bench) -> None:
    assert [parked.status(message) for message in (1, 2)] == ["failed", "pending"]
    for _ in range(24):
        parked.clock.forward(HOUR - 1)
        parked.enqueue()
        assert parked.claim() == []


@pytest.mark.slow
def test_probes_come_at_growing_intervals_up_to_an_hour(parked: Bench) -> None:
    probed = []
    for _ in range(8 * 60):
        parked.clock.forward(MINUTE)
        if take_probe(parked) is not None:
            probed.append((parked.clock() - NINE).total_seconds() / MINUTE)
            assert take_probe(parked) is None  # it is made once
    assert probed[:8] == [1, 2, 4, 8, 16, 32, 64, 124]
    assert {later - earlier for earlier, later in pairwise(probed[7:])} == {60}


def test_a_chat_that_accepts_us_again_gets_what_waited(parked: Bench) -> None:
    parked.clock.forward(MINUTE)
    assert take_probe(parked) == "1"
    resume(parked)
    assert parked.claim_one().id == 2
    parked.clock.forward(2 * HOUR)
    assert take_probe(parked) is None


def test_a_chat_that_a_person_paused_is_never_probed(bench: Bench) -> None:
    bench.enqueue()
    bench.park()
    with bench.database.snapshot() as connection:
        assert not parking.is_probe_due(connection, bench.clock())
    bench.clock.forward(30 * DAY)
    assert take_probe(bench) is None


@pytest.mark.parametrize("pause_first", [True, False])
def test_a_pause_by_hand_outlasts_a_refusal(bench: Bench, *, pause_first: bool) -> None:
    """Also one that was spoken while the refused message was under way."""
    bench.enqueue()
    claim = bench.claim_one()
    if pause_first:
        bench.park()
    bench.settle(claim, Parked("blocked"))
    if not pause_first:
        bench.park()
    assert bench.chat()["park_reason"] == "by hand"
    bench.clock.forward(DAY)
    assert take_probe(bench) is None


@pytest.mark.slow
def test_what_waits_too_long_is_given_up_all_at_once(parked: Bench) -> None:
    for _ in range(50):
        parked.enqueue()
    parked.clock.forward(DAY + 1)
    last = parked.enqueue()
    assert parked.claim() == []
    assert parked.counts()["failed"] == 52
    assert parked.next_due() == parked.clock() + timedelta(days=1)
    resume(parked)
    assert parked.claim_one().id == last


@pytest.mark.slow
def test_after_an_outage_what_is_too_old_does_not_hold_up_the_rest(bench: Bench) -> None:
    for _ in range(50):
        bench.enqueue()
    bench.clock.forward(DAY + 1)
    fresh = bench.enqueue()
    assert bench.claim() == []
    assert bench.claim_one().id == fresh


def test_a_parked_chat_does_not_touch_another(parked: Bench) -> None:
    other = parked.enqueue("2")
    claim = parked.claim_one()
    assert claim.id == other
    parked.settle(claim, Delivered(1))
    with parked.database.snapshot() as connection:
        assert queries.stats(connection, parked.clock()).parked_chats == 1


def test_a_hold_does_not_park(bench: Bench) -> None:
    bench.enqueue()
    bench.settle(bench.claim_one(), Postponed(30, "429"))
    bench.clock.forward(DAY)
    assert take_probe(bench) is None


def test_a_topic_that_refuses_us_waits_for_a_person(bench: Bench) -> None:
    """A probe asks after the whole chat, and would succeed: the next message would fail, and so
    the whole backlog, one by one."""
    now = bench.clock()
    topic = queue.Draft("1", "hello", "test", thread_id=5)
    bench.database.write(lambda c: queue.enqueue(c, now, topic))
    bench.settle(bench.claim_one(), Parked("TOPIC_CLOSED"))
    bench.clock.forward(7200)
    assert take_probe(bench) is None


@pytest.mark.slow
def test_a_chat_that_is_well_but_for_its_messages_is_asked_ever_less_often(bench: Bench) -> None:
    """A probe tells that somebody may type there, which need not be true of messages."""
    for _ in range(20):
        bench.enqueue()
    bench.settle(bench.claim_one(), Parked("no rights"))
    asked = []
    for _ in range(4 * 60):
        bench.clock.forward(MINUTE)
        if take_probe(bench) is None:
            continue
        asked.append((bench.clock() - NINE).total_seconds() / MINUTE)
        bench.database.write(partial(parking.unpark, now=bench.clock(), lane="1"))
        bench.settle(bench.claim_one(), Parked("no rights"))
    assert asked == [1, 2, 4, 8, 16, 32, 64, 124, 184]


@pytest.mark.parametrize("vouched", ["a message was delivered", "a person resumed it"])
def test_a_chat_that_was_well_meanwhile_is_asked_soon_again(parked: Bench, vouched: str) -> None:
    parked.clock.forward(2 * HOUR)
    now = parked.clock()
    parked.database.write(lambda c: parking.unpark(c, now, "1"))
    if vouched == "a person resumed it":
        resume(parked)
    else:
        parked.settle(parked.claim_one(), Delivered(1))
    parked.enqueue()
    parked.settle(parked.claim_one(), Parked("blocked again"))
    parked.clock.forward(MINUTE)
    assert take_probe(parked) == "1"
