"""The time of the server on hosts whose own clocks say otherwise, and word of what they wrote."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from postgres_server import PostgresServer

from attendance.db import Database, Unavailable
from attendance.db.postgres import clock as clock_module
from attendance.db.postgres.clock import DRIFT, SAMPLE_EVERY_SECONDS, ClockSample, ServerClock

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
PATIENCE_SECONDS = 30.0


class Machine:
    """A host that has counted `at` seconds, and a server that it asks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at, self.trip, self.fails = 1000.0, 0.002, False
        self.server = NINE
        monkeypatch.setattr(clock_module, "seconds", lambda: self.at)

    def forward(self, seconds: float) -> None:
        self.at += seconds
        self.server += timedelta(seconds=seconds)

    def look(self) -> ClockSample:
        if self.fails:
            raise Unavailable("The server is away.")
        asked = self.at
        self.forward(self.trip)
        return ClockSample.of(self.server - timedelta(seconds=self.trip / 2), asked, self.at)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def off(clock: ServerClock, machine: Machine) -> float:
    return abs((clock() - machine.server).total_seconds())


def test_the_clock_is_the_server_s_to_half_a_round_trip(machine: Machine) -> None:
    clock = ServerClock(machine.look)
    for _ in range(100):
        machine.forward(0.7)
        assert off(clock, machine) <= machine.trip / 2 + SAMPLE_EVERY_SECONDS * DRIFT
        assert clock.off_seconds <= machine.trip / 2 + SAMPLE_EVERY_SECONDS * DRIFT


def test_a_slow_look_does_not_spoil_a_good_one(machine: Machine) -> None:
    clock = ServerClock(machine.look)
    clock()
    machine.trip = 3.0
    machine.forward(SAMPLE_EVERY_SECONDS + 1)
    clock()
    assert clock.off_seconds < 0.02


def test_a_server_whose_clock_was_set_is_followed(machine: Machine) -> None:
    clock = ServerClock(machine.look)
    clock()
    machine.server += timedelta(minutes=10)
    machine.forward(SAMPLE_EVERY_SECONDS + 1)
    assert off(clock, machine) < 0.01


def test_while_the_server_is_away_the_last_look_is_gone_by(machine: Machine) -> None:
    clock = ServerClock(machine.look)
    clock()
    machine.fails = True
    machine.forward(60)
    assert off(clock, machine) < 0.01


def test_a_server_that_was_never_seen_has_no_time(machine: Machine) -> None:
    machine.fails = True
    with pytest.raises(Unavailable):
        ServerClock(machine.look)()


@pytest.fixture
def here(postgres_url: str) -> Iterator[Database]:
    database = Database.at(postgres_url)
    yield database
    database.close()


def test_the_server_is_asked_and_not_this_machine(here: Database) -> None:
    with here.snapshot() as connection:
        there = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
    assert abs((here.clock() - there).total_seconds()) < 5
    assert here.clock().tzinfo == UTC


def test_what_another_process_wrote_is_heard(here: Database, postgres_url: str) -> None:
    heard = threading.Event()
    here.notify(heard)
    assert heard.wait(PATIENCE_SECONDS)  # it has connected, and may have missed something
    heard.clear()
    there = Database.at(postgres_url)
    tell = "SELECT pg_notify('attendance_due', '')"
    there.write(lambda connection: connection.exec_driver_sql(tell).all() and None)
    there.close()
    assert heard.wait(PATIENCE_SECONDS)


def test_who_listens_listens_again_once_it_was_cut_off(
    here: Database, postgres: PostgresServer
) -> None:
    heard = threading.Event()
    here.notify(heard)
    assert heard.wait(PATIENCE_SECONDS)
    heard.clear()
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
    )
    assert heard.wait(PATIENCE_SECONDS)
