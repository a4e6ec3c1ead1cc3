"""Transactions that overlap in one lane, as only a server lets them: nobody waits for longer than
he must, and no message is left without a time to be ready."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from bench import NINE, PATIENCE_SECONDS, Bench
from model import _ready_at
from postgres_server import PostgresServer
from sqlalchemy import select

from attendance.db import Database
from attendance.outbox import admin
from attendance.outbox.models import Chat, Message
from attendance.outbox.transport import Delivered, Retry

A_WHILE_SECONDS = 0.3
INSERT = """INSERT INTO outbox (status, chat_id, lane, text, subject_type, created_at, due_at,
    give_up_from, attempts, uncertain_attempts) VALUES
    ('pending', '1', '1', 'hello', 'attendance', '2026-11-23T09:00Z', '2026-11-23T09:00Z',
    '2026-11-23T09:00Z', 0, 0)"""
WITHOUT_THE_GATE = (
    "DROP TRIGGER chat_ready_after_insert ON outbox",
    (
        "CREATE FUNCTION careless() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE chat SET "
        "ready_at = NEW.due_at WHERE chat_id = NEW.lane AND ready_at IS NULL; RETURN NULL; END $$"
    ),
    (
        "CREATE TRIGGER chat_ready_after_insert AFTER INSERT ON outbox FOR EACH ROW "
        "EXECUTE FUNCTION careless()"
    ),
)


@pytest.fixture
def bench(postgres_url: str) -> Iterator[Bench]:
    database = Database.at(postgres_url)
    yield Bench(database)
    database.close()


@pytest.fixture
def stranger(bench: Bench, postgres: PostgresServer) -> Iterator["psycopg.Connection[Any]"]:
    """A transaction that is left open: a POST of another host that has not committed yet."""
    name = bench.database.name.split()[0]
    with postgres.stranger(name) as connection:
        connection.execute("SET lock_timeout = '20s'")
        connection.commit()
        yield connection
        connection.rollback()


@contextmanager
def in_a_thread(work: Any, *arguments: Any) -> Iterator["Future[Any]"]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work, *arguments)


def waits(future: "Future[Any]") -> bool:
    """Whether it has not ended after a while."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    return not done.wait(A_WHILE_SECONDS)


def assert_ready(bench: Bench) -> None:
    """What the database keeps by its triggers is what a look at all messages finds."""
    with bench.database.snapshot() as connection:
        chats = connection.execute(select(Chat.__table__)).mappings().all()
        found = connection.execute(select(Message.__table__)).mappings().all()
    rows = {row["id"]: {**row} for row in found}
    for chat in chats:
        assert chat["ready_at"] == _ready_at({**chat}, rows), chat["chat_id"]


def test_what_comes_behind_others_waits_for_nobody(bench: Bench, stranger: Any) -> None:
    bench.enqueue()
    stranger.execute(INSERT)
    with in_a_thread(bench.enqueue) as second:
        assert second.result(PATIENCE_SECONDS) == 3  # while the stranger's is not committed
    stranger.commit()
    assert_ready(bench)


def test_of_two_that_come_to_an_empty_lane_one_waits(bench: Bench, stranger: Any) -> None:
    """The control: where there is somebody to wait for, the look above sees it."""
    bench.settle(_claimed(bench), Delivered(1))
    stranger.execute(INSERT)
    with in_a_thread(bench.enqueue) as second:
        assert waits(second)
        stranger.commit()
    assert_ready(bench)


def _claimed(bench: Bench) -> Any:
    bench.enqueue()
    return bench.claim_one()


def test_who_empties_a_lane_waits_for_what_is_on_its_way_in(bench: Bench, stranger: Any) -> None:
    claim = _claimed(bench)
    stranger.execute(INSERT)
    with in_a_thread(bench.settle, claim, Delivered(1)) as settled:
        assert waits(settled)
        stranger.commit()
    assert_ready(bench)
    assert bench.next_due() == NINE
    assert len(bench.claim()) == 1


def test_who_comes_while_a_lane_is_emptied_finds_it_empty(bench: Bench, stranger: Any) -> None:
    claim = _claimed(bench)
    stranger.execute(
        "UPDATE outbox SET status = 'sent', sent_at = now(), settled_at = now(), token = NULL, "
        "claimed_at = NULL WHERE id = %s",
        (claim.id,),
    )
    with in_a_thread(bench.enqueue) as second:
        assert waits(second)
        stranger.commit()
    assert_ready(bench)
    assert bench.next_due() == NINE


def test_without_the_gate_a_message_would_be_left_without_a_time(
    bench: Bench, stranger: Any, postgres: PostgresServer
) -> None:
    """The control of both."""
    for statement in WITHOUT_THE_GATE:
        postgres.execute(statement, bench.database.name.split()[0])
    claim = _claimed(bench)
    stranger.execute(INSERT)
    bench.settle(claim, Delivered(1))
    stranger.commit()
    assert bench.waiting() == 1
    assert bench.next_due() is None


def test_whose_id_is_older_heads_the_lane_though_it_came_later(bench: Bench, stranger: Any) -> None:
    """TRAP 22: the order of ids is not that of commits."""
    [(older,)] = stranger.execute("SELECT nextval('outbox_id_seq')").fetchall()
    bench.settle(_claimed(bench), Retry("refused"))  # and waits
    with_its_id = INSERT.replace("(status", "(id, status").replace("('pending'", "(%s, 'pending'")
    stranger.execute(with_its_id, (older,))
    stranger.commit()
    assert_ready(bench)
    assert [claim.id for claim in bench.claim()] == [older]


def test_whose_id_is_younger_goes_first_only_where_nobody_sees_the_older_yet(
    bench: Bench, stranger: Any
) -> None:
    """So what was answered before another began is told before it."""
    bench.enqueue()
    first = bench.claim_one()
    [(older,)] = stranger.execute(f"{INSERT} RETURNING id").fetchall()
    younger, last = bench.enqueue(), bench.enqueue()
    bench.settle(first, Delivered(1))
    second = bench.claim_one()
    stranger.commit()
    bench.settle(second, Delivered(2))
    third = bench.claim_one()
    bench.settle(third, Delivered(3))
    assert [second.id, third.id, bench.claim_one().id] == [younger, older, last]


def test_of_new_work_all_hosts_hear_and_of_what_waits_behind_it_none(
    bench: Bench, postgres_url: str
) -> None:
    """Each word costs a lock of the whole server."""
    heard = threading.Event()
    bench.database.notify(heard)
    assert heard.wait(PATIENCE_SECONDS)
    there = Bench(Database.at(postgres_url))
    for written, is_heard in ((there.enqueue, True), (there.enqueue, False)):
        heard.clear()
        written()
        assert heard.wait(PATIENCE_SECONDS if is_heard else A_WHILE_SECONDS) is is_heard
    heard.clear()
    there.park()
    there.database.write(lambda c: admin.resume(c, NINE, "1"))
    assert heard.wait(PATIENCE_SECONDS)
    there.database.close()


def test_two_hosts_take_lanes_of_their_own(bench: Bench, stranger: Any) -> None:
    """Nobody waits for a lane that another has in hand; he takes the next."""
    first, second = bench.enqueue("1"), bench.enqueue("2")
    stranger.execute("SELECT 1 FROM chat WHERE chat_id = '1' FOR UPDATE")
    assert [claim.id for claim in bench.claim()] == [second]
    stranger.rollback()
    assert [claim.id for claim in bench.claim()] == [first]


def test_an_expired_claim_is_settled_or_taken_over_and_never_both(
    bench: Bench, stranger: Any
) -> None:
    """Whoever holds the lane decides: the other sees it, and neither is in the other's way."""
    claim = _claimed(bench)
    bench.clock.forward(61)
    stranger.execute("SELECT 1 FROM chat WHERE chat_id = '1' FOR UPDATE")
    with in_a_thread(bench.settle, claim, Delivered(1)) as settled:
        assert waits(settled)
        assert bench.claim() == []
        stranger.commit()
    assert bench.outcomes(claim.id) == ["delivered"]
    assert bench.claim() == []


def test_the_end_of_an_attempt_is_not_late_for_itself(bench: Bench) -> None:
    """The answer to its commit was lost, and it is written again."""
    claim = _claimed(bench)
    for _ in range(2):
        bench.settle_all(claim, Delivered(7))
    assert bench.outcomes(claim.id) == ["delivered"]
