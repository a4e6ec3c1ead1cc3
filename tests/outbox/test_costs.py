"""What a look, a claim and a message cost does not grow with what was sent, with what waits, nor
with the chats that there are: counted in SQLite's own steps, and read in its plans."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlite_steps
from bench import NINE, POLICY, Bench
from bulk import settled, waiting
from model import InMemory
from sqlalchemy import Connection

from attendance.outbox import parking, pruning, queries, queue
from attendance.outbox.rate_limits import Rate, RateLimits
from attendance.outbox.transport import Delivered
from attendance.telegram.digest import merge

pytestmark = pytest.mark.slow

PACE = RateLimits(Rate(30, 1), Rate(1, 1), Rate(20, 60))
UNMERGED = replace(POLICY, rate_limits=PACE)
MERGED = replace(UNMERGED, merge=merge)
FEW_STEPS = 100
"""By how much two counts of the same work may differ: a tree of pages that is one level deeper."""


def filled(chats: int, each: int, sent: int = 0, policy: Any = UNMERGED) -> Bench:
    bench = Bench(InMemory(), policy)  # type: ignore[arg-type]

    def work(connection: Connection) -> None:
        settled(connection, sent)
        waiting(connection, chats, each)

    bench.database.write(work)
    return bench


def look(bench: Bench) -> None:
    """All that a dispatcher reads in a round."""
    bench.next_due()
    with bench.database.snapshot() as connection:
        queue.waits_for_configuration(connection)
        parking.is_probe_due(connection, NINE)


def claim(bench: Bench) -> None:
    assert bench.claim(1)


def claim_and_settle(bench: Bench) -> None:
    bench.settle(bench.claim(1)[0], Delivered(1))


def enqueue(bench: Bench) -> None:
    bench.enqueue("new")


ACTS = pytest.mark.parametrize("act", [look, claim, claim_and_settle, enqueue])


def steps(bench: Bench, act: Callable[[Bench], object]) -> int:
    return sqlite_steps.steps(driver(bench), lambda: act(bench))


def driver(bench: Bench) -> Any:
    with bench.database.snapshot() as connection:
        return connection.connection.dbapi_connection


@contextmanager
def plans(bench: Bench) -> Iterator[list[str]]:
    """A list that fills, at the end, with how each statement of the block found its rows."""
    seen: list[str] = []
    found: list[str] = []
    raw = driver(bench)
    raw.set_trace_callback(seen.append)
    yield found
    raw.set_trace_callback(None)
    for statement in seen:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            found += [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}")]


@ACTS
def test_what_was_sent_costs_nothing(act: Callable[[Bench], object]) -> None:
    empty, old = filled(10, 10), filled(10, 10, sent=100_000)
    assert steps(old, act) <= steps(empty, act) + FEW_STEPS


@ACTS
def test_what_waits_in_one_chat_costs_nothing(act: Callable[[Bench], object]) -> None:
    short, long = filled(1, 10), filled(1, 20_000)
    assert steps(long, act) <= steps(short, act) + FEW_STEPS


@ACTS
def test_what_waits_in_many_chats_costs_nothing(act: Callable[[Bench], object]) -> None:
    few, many = filled(10, 4), filled(5_000, 4)
    assert steps(many, act) <= steps(few, act) + FEW_STEPS


@ACTS
def test_chats_for_which_nothing_waits_cost_nothing(act: Callable[[Bench], object]) -> None:
    few, many = filled(10, 4), filled(10, 4)
    many.database.write(lambda c: waiting(c, 5_000, 0))
    assert steps(many, act) <= steps(few, act) + FEW_STEPS


def test_the_count_sees_what_is_read_row_by_row() -> None:
    """The control: the same look for what has no chat, without the index of what waits."""

    def scan(bench: Bench) -> None:
        with bench.database.snapshot() as connection:
            query = "SELECT count(*) FROM outbox WHERE lane IS NULL AND status IN ('pending')"
            connection.exec_driver_sql(query).all()

    empty, old = filled(10, 10), filled(10, 10, sent=100_000)
    assert steps(old, scan) > steps(empty, scan) + 1000 * FEW_STEPS


def test_a_digest_out_of_a_long_lane_costs_no_more() -> None:
    short, long = filled(1, 1_000, policy=MERGED), filled(1, 20_000, policy=MERGED)
    assert steps(long, claim) <= steps(short, claim) + FEW_STEPS


@pytest.mark.parametrize("act", [look, claim_and_settle, enqueue])
def test_nothing_is_found_by_reading_a_whole_table(act: Callable[[Bench], object]) -> None:
    bench = filled(10, 10, policy=MERGED)
    with plans(bench) as found:
        act(bench)
    assert [step for step in found if step.startswith("SEARCH")]
    assert not [step for step in found if "SCAN" in step and not _is_harmless(step)]


def forget(bench: Bench) -> None:
    """A step of the pruning: the look for what is old, and some of it."""
    old = NINE - timedelta(days=1)
    with bench.database.snapshot() as connection:
        assert pruning.is_due(connection, old)
    assert len(bench.database.write(lambda c: pruning.prune(c, old, 100))) == 100


def test_a_step_of_the_pruning_costs_the_same_however_much_is_old() -> None:
    some, much = filled(10, 10, sent=200), filled(10, 10, sent=50_000)
    assert steps(much, forget) <= steps(some, forget) + 100 * FEW_STEPS


def look_for_what_is_old(bench: Bench) -> None:
    with bench.database.snapshot() as connection:
        assert not pruning.is_due(connection, NINE - timedelta(days=90))


def test_where_nothing_is_old_the_look_for_it_costs_nothing() -> None:
    empty, much = filled(10, 10), filled(10, 10, sent=50_000)
    assert steps(much, look_for_what_is_old) <= steps(empty, look_for_what_is_old) + FEW_STEPS


def stats(bench: Bench) -> None:
    with bench.database.snapshot() as connection:
        queries.stats(connection, NINE)


def test_what_health_asks_is_counted_in_indexes() -> None:
    bench = filled(10, 10, sent=1_000)
    with plans(bench) as found:
        stats(bench)
    assert "SCAN outbox" not in found
    assert bench.counts()["sent"] == 1_000


def oldest_due(bench: Bench) -> None:
    with bench.database.snapshot() as connection:
        queries.oldest_due_age(connection, NINE)


def test_the_oldest_that_may_go_out_is_found_without_a_look_at_the_others() -> None:
    few, many = filled(10, 10), filled(10, 10, sent=10_000)
    many.database.write(lambda c: waiting(c, 5_000, 0, first=10))
    many.database.write(lambda c: waiting(c, 500, 4, first=10_000))
    many.database.write(lambda c: park(c, "length(chat_id) = 5"))
    assert steps(many, oldest_due) <= steps(few, oldest_due) + FEW_STEPS


def test_parked_chats_cost_only_where_something_waits() -> None:
    few, many = filled(10, 4), filled(10, 4)
    many.database.write(lambda c: waiting(c, 5_000, 0, first=10))
    for bench in (few, many):
        bench.database.write(lambda c: park(c, "chat_id <> '0'"))
    assert steps(many, look) <= steps(few, look) + FEW_STEPS
    assert steps(many, claim) <= steps(few, claim) + FEW_STEPS


def park(connection: Connection, which: str) -> None:
    parked = "UPDATE chat SET parked_at = created_at, park_reason = 'blocked' WHERE"
    connection.exec_driver_sql(f"{parked} {which}")


def _is_harmless(step: str) -> bool:
    """A walk along an index that a LIMIT ends, or a row that is made out of nothing."""
    return " INDEX " in step or step == "SCAN CONSTANT ROW"
