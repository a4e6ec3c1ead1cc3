"""A host whose clock is ten minutes ahead, and one whose clock is as far behind, beside one that is
right: all go by the database's time.

Nothing is lost, no lease ends before its time, the order within each chat is kept, and what is
recorded bears the true time. Control: a host that goes by its own clock takes over what others have
under way.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hosts import ALL, PATIENT, Hosts
from postgres_server import PostgresServer
from rig import ROUNDS
from service import ROOT
from shifted_clock import build, set_clock
from sqlalchemy import select

from attendance.audit.trail import AuditEntry
from attendance.db import Database, utc_now

Make = Callable[..., Hosts]
TEN_MINUTES = 600
IN_DOUBT = "SELECT count(*) FROM outbox_attempt WHERE outcome IN ('uncertain', 'late')"
CLAIMED_BEHIND = (
    "SELECT count(*) FROM outbox WHERE status = 'sending' AND due_at < clock_timestamp()"
)
TIMES = """
    SELECT extract(epoch FROM received_at)::float8 FROM attendance
    UNION ALL SELECT extract(epoch FROM occurred_at)::float8 FROM audit
    WHERE action NOT IN ('db.upgraded', 'key.created') -- copied: as old as the first such test
"""


@pytest.fixture
def make_shifted(make_hosts: Make, tmp_path: Path) -> Make:
    """Hosts with a clock each, in the file `clock` of their own folder."""
    library = build(tmp_path)

    def make(*inside: str, commands: Sequence[str] = ALL) -> Hosts:
        settings = {"LD_PRELOAD": str(library), "FAULTS_CLOCK": "clock", **PATIENT}
        return make_hosts(*inside, commands=commands, **settings)

    return make


def shift(hosts: Hosts, seconds: int) -> None:
    """One that serves by so much, the one that only delivers by as much the other way."""
    set_clock(hosts.all[-2].folder / "clock", seconds)
    set_clock(hosts.all[-1].folder / "clock", -seconds)


def test_hosts_whose_clocks_are_off_lose_nothing_and_take_nothing_over(make_shifted: Make) -> None:
    hosts, began = make_shifted(), time.time()
    with hosts.load():
        for seconds in (TEN_MINUTES, -TEN_MINUTES) * ROUNDS:
            shift(hosts, seconds)
            # Each claim is looked at by the others while it is under way.
            hosts.sandbox.fault("delay", delay_seconds=0.3, times=20)
            hosts.wait_for_acknowledged(40)
            assert_told_times_are_believed(hosts)
    verdict = hosts.verdict()
    assert verdict.is_valid, verdict
    assert not verdict.explained, verdict
    assert hosts.rows(IN_DOUBT) == [(0,)]
    false = [at - began for (at,) in hosts.rows(TIMES) if not began - 60 < at < time.time() + 60]
    assert not false


def test_an_upgrade_bears_the_database_s_time(postgres: PostgresServer, tmp_path: Path) -> None:
    with postgres.fresh() as url:
        upgrade_ahead(url, tmp_path)
        with closing(Database.at(url)) as database:
            assert abs(seconds_ahead(database)) < 60


def test_control_on_sqlite_that_is_the_host_s_which_is_ahead(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/attendance.db"
    upgrade_ahead(url, tmp_path)
    with closing(Database.at(url)) as database:
        assert abs(seconds_ahead(database) - TEN_MINUTES) < 60


def upgrade_ahead(url: str, folder: Path) -> None:
    """By a host whose clock is ten minutes ahead."""
    set_clock(folder / "clock", TEN_MINUTES)
    clock = {"LD_PRELOAD": str(build(folder)), "FAULTS_CLOCK": "clock"}
    command = [sys.executable, str(ROOT / "manage.py"), "db", "upgrade"]
    environ = {**os.environ, "DATABASE_URL": url, **clock}
    subprocess.run(command, cwd=folder, env=environ, check=True, timeout=60)


def seconds_ahead(database: Database) -> float:
    """By how much the entry of the upgrade is ahead of the true time."""
    query = select(AuditEntry.occurred_at).where(AuditEntry.action == "db.upgraded")
    with database.snapshot() as connection:
        (noted,) = connection.execute(query).scalars()
    return float((noted - utc_now()).total_seconds())


def assert_told_times_are_believed(hosts: Hosts) -> None:
    """What occurs now lies ten minutes ahead for one who is behind: more than is accepted."""
    for host in hosts.all[:2]:
        attempt = hosts.record_at(host, occurred_at=datetime.now(UTC).isoformat())
        assert attempt.status == 201, attempt


def test_control_a_host_that_goes_by_its_own_clock_takes_over_what_is_under_way(
    make_shifted: Make,
) -> None:
    hosts = make_shifted("without-the-server-s-clock", commands=("serve", "dispatch"))
    shift(hosts, -TEN_MINUTES)  # what is recorded is due for both
    ahead = hosts.all[-1]
    with hosts.load():
        hosts.sandbox.fault("delay", delay_seconds=0.4, times=None)
        hosts.stop(ahead)  # what it claims, the other does not look at for twenty minutes
        hosts.until(lambda: hosts.rows(CLAIMED_BEHIND) != [(0,)], "the one behind claims")
        ahead.signal(signal.SIGCONT)
        hosts.until(lambda: hosts.rows(IN_DOUBT) != [(0,)], "a lease ends before its time")
        hosts.sandbox.clear_faults()
