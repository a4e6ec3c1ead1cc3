"""What a claim asks PostgreSQL it has planned once: planning anew took longer than the rest."""

from collections.abc import Iterator

import pytest
from bench import Bench
from sqlalchemy import Connection

from attendance.db import Database, force_generic_plan
from attendance.outbox.transport import Delivered

WARM_UP = 8
"""As often as psycopg and the server wait to see whether a statement comes again, and some more."""
_PLANS = """SELECT coalesce(sum(custom_plans), 0), coalesce(sum(generic_plans), 0)
    FROM pg_prepared_statements WHERE statement ~ 'FOR UPDATE OF outbox'"""


@pytest.fixture
def bench(postgres_url: str) -> Iterator[Bench]:
    database = Database.at(postgres_url)
    yield Bench(database)
    database.close()


def mode(connection: Connection) -> str:
    return str(connection.exec_driver_sql("SHOW plan_cache_mode").scalar_one())


def plans(connection: Connection) -> tuple[int, int]:
    anew, kept = connection.exec_driver_sql(_PLANS).one()
    return int(anew), int(kept)


def claim_and_settle(bench: Bench, times: int) -> None:
    for _ in range(times):
        bench.enqueue("one")
        bench.settle(bench.claim_one(), Delivered(1))


def test_nothing_is_planned_anew_for_another_claim(bench: Bench) -> None:
    claim_and_settle(bench, WARM_UP)
    before = bench.database.write(plans)
    claim_and_settle(bench, 3)
    anew, kept = bench.database.write(plans)
    assert (anew - before[0], kept - before[1]) == (0, 3)


def test_other_units_on_the_same_connection_plan_as_ever(bench: Bench) -> None:
    def keep(connection: Connection) -> str:
        force_generic_plan(connection)
        return mode(connection)

    assert bench.database.write(keep) == "force_generic_plan"
    assert bench.database.write(mode) == "auto"
