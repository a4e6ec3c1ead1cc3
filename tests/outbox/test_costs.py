"""What a look and a claim cost does not grow with what waits, counted in SQLite's own steps."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from bench import NINE, POLICY, Bench
from model import InMemory
from sqlalchemy import Connection, insert

from attendance.config import Rate
from attendance.outbox import lanes
from attendance.outbox.message import Message
from attendance.outbox.pacing import Pace
from attendance.telegram.digest import merge

ROW = {
    "status": "pending",
    "text": "hello",
    "line": "hello",
    "silent": False,
    "alone": False,
    "subject_type": "attendance",
    "created_at": NINE,
    "due_at": NINE,
    "give_up_from": NINE,
    "attempts": 0,
    "uncertain_attempts": 0,
}
PACE = Pace(Rate(30, 1), Rate(1, 1), Rate(20, 60))


def filled(chats: int, each: int) -> Bench:
    bench = Bench(InMemory(), replace(POLICY, pace=PACE, merge=merge))  # type: ignore[arg-type]

    def work(connection: Connection) -> None:
        names = [lanes.open_lane(connection, NINE, str(chat)) for chat in range(chats)]
        rows = [ROW | {"chat_id": name, "lane": name} for _ in range(each) for name in names]
        connection.execute(insert(Message.__table__), rows)  # type: ignore[arg-type]

    bench.database.write(work)
    return bench


def steps(bench: Bench, act: Callable[[], Any]) -> int:
    """How many steps SQLite's machine takes for `act`, in hundreds."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    with bench.database.read() as connection:
        raw: Any = connection.connection.dbapi_connection
    raw.set_progress_handler(count, 100)
    act()
    raw.set_progress_handler(None, 0)
    return taken


@pytest.mark.parametrize("act", ["next_due", "claim"])
def test_a_long_lane_costs_no_more_than_a_short_one(act: str) -> None:
    short, long = filled(1, 1000), filled(1, 20_000)
    assert steps(long, getattr(long, act)) <= steps(short, getattr(short, act)) + 2


@pytest.mark.parametrize("act", ["next_due", "claim"])
def test_many_lanes_cost_the_same_however_long_they_are(act: str) -> None:
    few, many = filled(500, 2), filled(500, 40)
    more = 5 if act == "next_due" else 900  # a claim writes what it merges
    assert steps(many, getattr(many, act)) <= steps(few, getattr(few, act)) + more


def test_many_parked_chats_cost_no_more_than_many_that_are_not() -> None:
    free, parked = filled(500, 2), filled(500, 2)
    parked.database.write(
        lambda c: (
            c.exec_driver_sql("UPDATE chat SET parked_at = created_at, park_reason = 'blocked'")
            and None
        )
    )
    assert steps(parked, parked.next_due) <= 1.2 * steps(free, free.next_due)
    assert steps(parked, parked.claim) <= steps(free, free.claim)
