"""Groups become supergroups: what was addressed to the old id goes to where the chat lives."""

from dataclasses import replace
from typing import Any

import pytest
from bench import NINE, POLICY, Bench
from sqlalchemy import Connection, update

from attendance.outbox import admin, chat_migration, queue
from attendance.outbox.models import Chat
from attendance.outbox.rate_limits import Rate, RateLimits
from attendance.outbox.transport import Delivered, Migrated, Rejected

pytestmark = pytest.mark.both_databases


def move(bench: Bench, old: str, new: str) -> None:
    now = bench.clock()
    bench.database.write(lambda c: chat_migration.migrate(c, now, old, new))


def lanes_of(bench: Bench, *ids: int) -> list[str]:
    return [bench.row(message)["lane"] for message in ids]


def send_all(bench: Bench) -> list[tuple[int, str]]:
    sent = []
    while claims := bench.claim():
        for claim in claims:
            sent.append((claim.id, claim.outgoing.chat_id))
            bench.settle(claim, Delivered(1))
    return sent


def test_a_chain_of_moves_leads_to_its_end(bench: Bench) -> None:
    first = bench.enqueue("-1")
    bench.settle(bench.claim_one(), Migrated("-2", "moved"))
    second = bench.enqueue("-1")
    bench.settle(bench.claim_one(), Migrated("-3", "moved"))
    third = bench.enqueue("-1")
    assert lanes_of(bench, first, second, third) == ["-3"] * 3
    assert send_all(bench) == [(first, "-3"), (second, "-3"), (third, "-3")]
    assert {bench.row(message)["chat_id"] for message in (first, second, third)} == {"-1"}


def test_a_move_to_a_chat_that_has_moved_itself_leads_on(bench: Bench) -> None:
    message = bench.enqueue("-1")
    bench.enqueue("-2")
    move(bench, "-2", "-3")
    move(bench, "-1", "-2")
    assert lanes_of(bench, message) == ["-3"]


def test_lanes_merge_in_order_of_id(bench: Bench) -> None:
    """The new chat has one message under way and one that waits."""
    new_under_way = bench.enqueue("-2")
    under_way = bench.claim_one()
    old, new, later = bench.enqueue("-1"), bench.enqueue("-2"), bench.enqueue("-1")
    moved = bench.claim_one()
    assert moved.id == old
    bench.settle(moved, Migrated("-2", "moved"))
    assert bench.claim() == []  # one request per chat, whatever its name
    bench.settle(under_way, Delivered(1))
    assert send_all(bench) == [(old, "-2"), (new, "-2"), (later, "-2")]
    assert under_way.id == new_under_way


def test_topics_are_void_after_a_move(bench: Bench) -> None:
    before = bench.enqueue("-1", thread_id=7)
    move(bench, "-1", "-2")
    after, own = bench.enqueue("-1", thread_id=7), bench.enqueue("-2", thread_id=8)
    assert [bench.row(message)["thread_id"] for message in (before, after, own)] == [None, None, 8]


@pytest.mark.parametrize("how", ["adopted", "retried"])
def test_whatever_comes_to_the_old_id_goes_to_the_new(bench: Bench, how: str) -> None:
    message = bench.enqueue(None if how == "adopted" else "-1", thread_id=7)
    if how == "retried":
        bench.settle(bench.claim_one(), Rejected("no"))
    bench.enqueue("-1")
    move(bench, "-1", "-2")

    def work(connection: Connection) -> Any:
        if how == "adopted":
            return queue.adopt(connection, NINE, "-1")
        return admin.retry(connection, NINE, admin.Filter(ids=[message]))

    bench.database.write(work)
    assert (bench.row(message)["lane"], bench.row(message)["chat_id"]) == ("-2", "-1")
    assert bench.claim_one().outgoing.chat_id == "-2"


def test_a_move_to_where_the_chat_is_changes_nothing(bench: Bench) -> None:
    message = bench.enqueue("-1")
    move(bench, "-1", "-1")
    move(bench, "-1", "-2")
    move(bench, "-2", "-1")
    assert lanes_of(bench, message) == ["-2"]
    assert bench.chat("-2")["migrated_to"] is None


def test_how_a_chat_is_told_moves_with_it(bench: Bench) -> None:
    bench.enqueue("-1")
    settings = {"silent": True, "quiet_hours": "22:00-07:00", "title": "Class 7b"}
    bench.database.write(lambda c: c.execute(update(Chat).values(**settings)) and None)
    move(bench, "-1", "-2")
    chat = bench.chat("-2")
    assert {name: chat[name] for name in settings} == settings


def test_a_pause_by_hand_moves_with_the_chat(bench: Bench) -> None:
    bench.enqueue("-1")
    claim = bench.claim_one()
    bench.park("-1")
    bench.settle(claim, Migrated("-2", "moved"))
    assert bench.claim() == []
    assert bench.chat("-2")["park_reason"] == "by hand"
    assert bench.chat("-1")["parked_at"] is None
    bench.database.write(lambda c: admin.resume(c, NINE, "-1"))
    assert bench.claim_one().outgoing.chat_id == "-2"


def test_the_pace_of_a_chat_moves_with_it(bench: Bench) -> None:
    bench.policy = replace(POLICY, rate_limits=RateLimits(group=Rate(1, 60)))
    bench.enqueue("-1")
    bench.settle(bench.claim_one(), Migrated("-2", "moved"))
    assert bench.claim() == []
    bench.clock.forward(60)
    assert bench.claim_one().outgoing.chat_id == "-2"
