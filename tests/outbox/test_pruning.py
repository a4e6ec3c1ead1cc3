"""What is done with is forgotten in time; what nobody has seen to, never."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from bench import HOLD, NINE, Bench
from bulk import settled
from sqlalchemy import Connection, func, insert, select

from attendance.audit import AuditEntry
from attendance.db.sqlite.turnstile import Turnstile
from attendance.maintenance import run_claims
from attendance.maintenance.pruner import KEYS_KEPT, Pruner
from attendance.models import IdempotencyKey
from attendance.outbox import admin
from attendance.outbox.models import Attempt, Message
from attendance.outbox.transport import Delivered, Rejected, Uncertain

pytestmark = pytest.mark.both_databases

KEEP = timedelta(days=90)
DAY = 86400.0


@pytest.fixture
def pruner(bench: Bench) -> Pruner:
    return Pruner(bench.database, KEEP, bench.clock)


def sent(bench: Bench) -> int:
    message = bench.enqueue()
    bench.settle(bench.claim_one(), Delivered(7))
    return message


def cancelled(bench: Bench) -> int:
    message = bench.enqueue()
    bench.database.write(lambda c: admin.cancel(c, NINE, [message]))
    return message


def failed(bench: Bench) -> int:
    message = bench.enqueue()
    bench.settle(bench.claim_one(), Rejected("no"))
    return message


def uncertain(bench: Bench) -> int:
    message, bench.policy = bench.enqueue(), HOLD
    bench.settle(bench.claim_one(), Uncertain("reset"))
    return message


def pending(bench: Bench) -> int:
    return bench.enqueue()


def under_way(bench: Bench) -> int:
    message = bench.enqueue()
    bench.claim_one()
    return message


def kept(bench: Bench) -> list[int]:
    with bench.database.snapshot() as connection:
        return list(connection.scalars(select(Message.id).order_by(Message.id)))


def count(bench: Bench, table: Any) -> int:
    with bench.database.snapshot() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def run(bench: Bench, pruner: Pruner, seconds: int = 60) -> None:
    """Let time pass, with a round in each second."""
    for _ in range(seconds):
        pruner()
        bench.clock.forward(1)


@pytest.mark.parametrize("become", [sent, cancelled])
def test_what_is_done_with_is_forgotten_when_its_time_is_over(
    bench: Bench, pruner: Pruner, become: Any
) -> None:
    message = become(bench)
    bench.clock.forward(90 * DAY - 60)
    run(bench, pruner, 50)
    assert kept(bench) == [message]
    bench.clock.forward(700)
    pruner()
    assert (kept(bench), count(bench, Attempt)) == ([], 0)


@pytest.mark.parametrize("become", [failed, uncertain, pending, under_way])
def test_what_is_not_done_with_is_never_forgotten(
    bench: Bench, pruner: Pruner, become: Any
) -> None:
    message = become(bench)
    bench.clock.forward(10_000 * DAY)
    run(bench, pruner)
    assert kept(bench) == [message]


def test_a_step_is_small_and_the_next_follows_soon(bench: Bench, pruner: Pruner) -> None:
    bench.database.write(lambda c: settled(c, 250))
    bench.clock.forward(90 * DAY)
    pruner()
    pruner()
    assert len(kept(bench)) == 150
    run(bench, pruner, 3)
    assert kept(bench) == []


def test_all_workers_together_do_no_more_than_one_alone(bench: Bench) -> None:
    bench.database.write(lambda c: settled(c, 250))
    bench.clock.forward(90 * DAY)
    for _ in range(4):
        Pruner(bench.database, KEEP, bench.clock)()
    assert len(kept(bench)) == 150


@pytest.mark.sqlite_only
def test_nothing_to_prune_costs_no_write(bench: Bench, pruner: Pruner) -> None:
    sent(bench)
    with turnstile_held(bench):
        run(bench, pruner, 2000)
    assert count(bench, run_claims.ScheduledTask) == 0


@pytest.mark.sqlite_only
def test_what_there_is_to_prune_does_take_a_write(bench: Bench, pruner: Pruner) -> None:
    """The control of the test above; a database that is busy makes it wait, and no noise."""
    message = sent(bench)
    bench.clock.forward(91 * DAY)
    with turnstile_held(bench):
        pruner()
    assert kept(bench) == [message]
    run(bench, pruner, 3)
    assert kept(bench) == []


@contextmanager
def turnstile_held(bench: Bench) -> Iterator[None]:
    """Another process writes all the time: whoever needs a turn does not get one."""
    turnstile = Turnstile(bench.sqlite.path)
    with turnstile:
        yield
    turnstile.close()


def test_the_trail_tells_what_was_pruned(bench: Bench, pruner: Pruner) -> None:
    first, last = sent(bench), sent(bench)
    bench.clock.forward(91 * DAY)
    run(bench, pruner)
    with bench.database.snapshot() as connection:
        rows = connection.execute(select(AuditEntry.__table__)).mappings().all()
    [entry] = [row for row in rows if row["action"] == "outbox.pruned"]
    assert (entry["actor_type"], entry["actor_id"]) == ("service", "retention")
    assert f'"messages":2,"first_id":{first},"last_id":{last}' in entry["after_json"]


def test_keys_are_forgotten_after_seven_days(bench: Bench, pruner: Pruner) -> None:
    row = {"key_lineage": 1, "fingerprint": "f", "status": 201, "body": "{}", "created_at": NINE}
    rows = [row | {"key": str(number)} for number in range(150)]
    bench.database.write(lambda c: _insert(c, rows))
    bench.clock.forward(KEYS_KEPT.total_seconds())
    pruner()
    assert count(bench, IdempotencyKey) == 150
    bench.clock.forward(700)
    run(bench, pruner, 3)
    assert count(bench, IdempotencyKey) == 0


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    connection.execute(insert(IdempotencyKey), rows)


def test_a_clock_that_was_years_ahead_does_not_stop_it(bench: Bench, pruner: Pruner) -> None:
    bench.clock.forward(4000 * DAY)
    bench.database.write(lambda c: settled(c, 150))
    pruner()
    bench.clock.forward(-3900 * DAY)
    run(bench, pruner, 3)
    assert kept(bench) == []
