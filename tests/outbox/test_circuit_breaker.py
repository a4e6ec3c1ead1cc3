"""Times in which nobody can be reached: one stoppage, one probe, and then on."""

from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from bench import NINE, Bench, in_processes, meet
from sqlalchemy import select

from attendance.db import Database
from attendance.outbox import circuit_breaker
from attendance.outbox.models import Stoppage
from attendance.outbox.transport import Misconfigured

pytestmark = pytest.mark.both_databases

PROBE = circuit_breaker.FIRST_PROBE.total_seconds()


@pytest.fixture
def refused(bench: Bench) -> Bench:
    """Two lanes, and a bot that was refused on the first of them."""
    bench.enqueue("1")
    bench.settle(bench.claim_one(), Misconfigured("Unauthorized"))
    bench.enqueue("2")
    return bench


def take_probe(bench: Bench) -> bool:
    now = bench.clock()
    return bench.database.write(lambda c: circuit_breaker.take_probe(c, now)) is not None


def test_a_refused_bot_stops_every_lane(refused: Bench) -> None:
    refused.clock.forward(10 * PROBE)
    assert refused.claim() == []


def test_an_end_lets_every_lane_go_on(refused: Bench) -> None:
    now = refused.clock()
    assert refused.database.write(lambda c: circuit_breaker.close(c, now, "misconfigured"))
    assert [claim.lane for claim in refused.claim()] == ["1", "2"]
    assert not refused.database.write(lambda c: circuit_breaker.close(c, now, "misconfigured"))


def test_missing_settings_stop_no_claim(bench: Bench) -> None:
    """Whoever can claim has a configuration; the clock alone stands still."""
    bench.enqueue()
    bench.database.write(lambda c: circuit_breaker.open(c, NINE, "unconfigured"))
    assert len(bench.claim()) == 1


def test_the_same_trouble_seen_twice_is_one_stoppage(refused: Bench) -> None:
    later = NINE + timedelta(seconds=5)
    refused.database.write(lambda c: circuit_breaker.open(c, later, "misconfigured", "again"))
    with refused.database.snapshot() as connection:
        assert circuit_breaker.current(connection, NINE) == circuit_breaker.Stopped(
            "misconfigured", NINE + circuit_breaker.FIRST_PROBE, "Unauthorized"
        )


def test_two_troubles_are_two_stoppages(refused: Bench) -> None:
    refused.database.write(lambda c: circuit_breaker.open(c, NINE, "unconfigured"))
    with refused.database.snapshot() as connection:
        assert len(connection.execute(select(Stoppage.id)).all()) == 2


def test_a_stoppage_can_come_again(refused: Bench) -> None:
    refused.database.write(lambda c: circuit_breaker.close(c, NINE, "misconfigured"))
    refused.settle(refused.claim()[0], Misconfigured("Not Found"))
    assert refused.claim() == []


def test_a_probe_is_not_due_at_once(refused: Bench) -> None:
    refused.clock.forward(PROBE - 0.000001)
    assert not take_probe(refused)


def test_a_probe_is_taken_once_and_comes_again(refused: Bench) -> None:
    refused.clock.forward(PROBE)
    assert take_probe(refused)
    assert not take_probe(refused)
    refused.clock.forward(PROBE)
    assert take_probe(refused)


def test_a_new_process_may_probe_soon(refused: Bench) -> None:
    refused.database.write(lambda c: circuit_breaker.probe_soon(c, NINE))
    assert take_probe(refused)


def test_where_nothing_is_stopped_there_is_no_probe(bench: Bench) -> None:
    bench.clock.forward(PROBE)
    assert not take_probe(bench)


def probe_from_afar(url: str, place: Path, now: datetime) -> bool:
    database = Database.at(url)
    meet(place, 2)
    taken = database.write(lambda c: circuit_breaker.take_probe(c, now)) is not None
    database.close()
    return taken


@pytest.mark.slow
def test_one_of_two_processes_makes_the_probe(
    refused: Bench, database_url: str, tmp_path: Path
) -> None:
    refused.clock.forward(PROBE)
    took = in_processes(
        probe_from_afar, [(database_url, tmp_path / "meeting", refused.clock())] * 2
    )
    assert sorted(took) == [False, True]


def probe_times(bench: Bench, seconds: int) -> list[float]:
    """When a bot that answers getMe and refuses each message is asked for."""
    asked = []
    for _ in range(seconds):
        bench.clock.forward(1)
        now = bench.clock()
        if not take_probe(bench):
            continue
        asked.append((now - NINE).total_seconds())
        bench.database.write(partial(circuit_breaker.close, now=now, reason="misconfigured"))
        bench.settle(bench.claim(1)[0], Misconfigured("Not Found"))
    return asked


@pytest.mark.slow
def test_a_bot_that_is_well_but_for_its_messages_is_asked_ever_less_often(refused: Bench) -> None:
    times = probe_times(refused, 600)
    assert times[:5] == [1, 2, 4, 8, 16]
    assert {after - before for before, after in pairwise(times[6:])} == {30}
    with refused.database.snapshot() as connection:
        assert len(connection.execute(select(Stoppage.id)).all()) == 1


def test_a_trouble_that_comes_back_much_later_is_a_new_one(refused: Bench) -> None:
    refused.database.write(lambda c: circuit_breaker.close(c, NINE, "misconfigured"))
    refused.clock.forward(60)
    refused.settle(refused.claim()[0], Misconfigured("Not Found"))
    stopped = refused.stopped()
    assert stopped is not None
    assert stopped.until == refused.clock() + circuit_breaker.FIRST_PROBE


def test_one_failure_right_after_an_outage_does_not_stop_all_for_long(bench: Bench) -> None:
    bench.database.write(lambda c: circuit_breaker.open(c, NINE, "unreachable"))
    bench.clock.forward(600)
    now = bench.clock()
    bench.database.write(lambda c: circuit_breaker.close(c, now, "unreachable"))
    bench.database.write(lambda c: circuit_breaker.open(c, now, "unreachable"))
    stopped = bench.stopped()
    assert stopped is not None
    assert stopped.until == now + circuit_breaker.FIRST_PROBE
