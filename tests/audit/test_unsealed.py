"""Rows without a leaf: which of them an honest service leaves, and which somebody slipped in. What
`verify` says, and a verifier that shares no line with it."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import verifier
from service_process import Process
from trails import KEY, Trail, tampering

from attendance.audit.report import Report
from attendance.audit.verify import Scope, verify

CREW = Path(__file__).with_name("crew.py")
A_MINUTE = timedelta(seconds=60)
A_MOMENT = timedelta(seconds=1)


def verified(trail: Trail) -> Report:
    report = verify(trail.database, Scope(key=KEY, now=trail.now))
    assert verifier.verify(trail.path, KEY.reveal().encode()) == sorted(report.counts)
    return report


def slip_in(trail: Trail, row_id: int) -> None:
    """A row of the first day's nine o'clock."""
    values = "'2026-11-23T09:00:00.000000Z', 'service', 'a.b', 'success', 'h', 1"
    columns = "id, occurred_at, actor_type, action, outcome, host, schema_version"
    with tampering(trail.path) as connection:
        insert = f"INSERT INTO audit ({columns}) VALUES (?, {values})"  # noqa: S608
        connection.execute(insert, (row_id,))


def with_a_gap(trail: Trail) -> Trail:
    """Row 100 after row 3, as after a transaction that was given ids and came to nothing."""
    trail.grow(3)
    slip_in(trail, 100)
    trail.seal()
    return trail


@pytest.mark.slow
def test_a_clock_set_back_and_a_kill_before_the_seal_are_no_tampering(
    database_url: str, tmp_path: Path
) -> None:
    command = [sys.executable, str(CREW), "set-back", database_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as crew:
        assert crew.stdout is not None
        assert crew.stdout.readline() == b"an hour earlier\n"
        crew.kill()

    said = Process(tmp_path).run("audit", "verify")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.splitlines() == [
        "1 row under 1 seal recomputed.",
        "Rows not sealed yet: 1.",
        "Of these over a minute old: 1. Does a dispatcher run?",
        "The trail is intact.",
    ]
    assert verifier.verify(tmp_path / "attendance.db") == []


def test_an_act_that_was_written_long_after_its_time_is_no_tampering(trail: Trail) -> None:
    """A settlement that waited for the disk."""
    trail.grow(1, 1, 1)
    trail.now -= timedelta(minutes=25)
    trail.record()
    trail.now += timedelta(minutes=25)

    report = verified(trail)
    assert (report.findings, report.unsealed, report.overdue) == ([], 1, 1)


@pytest.mark.parametrize(("waited", "overdue"), [(A_MINUTE, 0), (A_MINUTE + A_MOMENT, 1)])
def test_rows_that_wait_too_long_are_told_by_the_wall_clock(
    trail: Trail, waited: timedelta, overdue: int
) -> None:
    trail.record()
    trail.now += waited

    report = verified(trail)
    assert (report.findings, report.unsealed, report.overdue) == ([], 1, overdue)


@pytest.mark.slow
def test_a_row_slipped_in_behind_the_seals_is_found_once_one_has_passed_it(trail: Trail) -> None:
    with_a_gap(trail).now += 2 * A_MINUTE
    trail.record()
    sealer = trail.sealer
    sealer.finish()  # its floor is now above the gap
    trail.now += 2 * A_MINUTE
    trail.record()
    sealer.finish()
    slip_in(trail, 50)

    assert verified(trail).counts == {"unsealed_old": 1}
    trail.record()
    sealer.finish()
    assert verified(trail).counts == {"unsealed_old": 1}


def test_where_a_cut_has_left_room_nothing_can_be_slipped_in(trail: Trail) -> None:
    trail.grow(2, 2, 2)
    with tampering(trail.path) as connection:
        connection.execute("DELETE FROM audit WHERE id <= 2")
        connection.execute("DELETE FROM audit_leaf WHERE seq <= 2")
        connection.execute("DELETE FROM audit_seal WHERE id = 1")
    slip_in(trail, 1)

    assert "unsealed_old" in verified(trail).counts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("later", "names"), [(A_MINUTE, {}), (A_MINUTE + A_MOMENT, {"unsealed_old": 1})]
)
def test_a_row_has_a_minute_to_become_visible_after_one_with_a_greater_id(
    trail: Trail, later: timedelta, names: dict[str, int]
) -> None:
    """Where transactions overlap. What a seal without backlog has left for a minute was not there
    when it was made."""
    with_a_gap(trail).now += later
    trail.record()
    trail.seal()
    slip_in(trail, 50)

    assert verified(trail).counts == names


@pytest.mark.slow
def test_the_last_seal_of_a_backlog_leaves_nothing_below_it(trail: Trail) -> None:
    """Else it could not say, by `backlog`, that all that was there is sealed."""
    slip_in(trail, 5000)
    trail.record(1200)
    trail.sealer.seal_once()  # of a backlog, which goes on above what it has sealed
    slip_in(trail, 100)
    seals = 1
    while trail.value("SELECT backlog FROM audit_seal ORDER BY id DESC LIMIT 1"):
        trail.sealer.seal_once()
        seals += 1

    left = "SELECT count(*) FROM audit WHERE id NOT IN (SELECT audit_id FROM audit_leaf)"
    assert (trail.value(left), seals) == (0, 3)


@pytest.mark.parametrize("time", ["noon", "0001-01-01T00:00:00.000000Z"])
def test_a_seal_without_a_time_is_named_and_stops_nothing(trail: Trail, time: str) -> None:
    trail.grow(1, 1)
    trail.record()
    with tampering(trail.path) as connection:
        connection.execute("UPDATE audit_seal SET sealed_at = ? WHERE id = 2", (time,))

    assert "seal_broken" in verify(trail.database, Scope(now=trail.now)).counts
