"""Eight writers and two sealers on one trail, killed in the middle: every row sealed once."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from trails import Trail

from attendance.audit.verify import Scope, verify
from attendance.db import Database

CREW = Path(__file__).with_name("crew.py")
WRITERS = 8

pytestmark = [pytest.mark.both_databases, pytest.mark.timeout(300)]


@contextmanager
def crew(role: str, url: str, place: Path, count: int) -> Iterator[list[Path]]:
    """So many processes of a role; killed at the end. What each printed is in its file."""
    logs = [place / f"{role}-{time.monotonic_ns()}" for _ in range(count)]
    running = []
    for log in logs:
        with log.open("w") as output:
            command = [sys.executable, str(CREW), role, url]
            running.append(subprocess.Popen(command, stdout=output))
    try:
        yield logs
    finally:
        for process in running:
            process.kill()
            process.wait()


def lines(logs: list[Path]) -> int:
    """How many whole lines were printed."""
    return sum(log.read_text().count("\n") for log in logs)


def wait_for(logs: list[Path], count: int) -> None:
    deadline = time.monotonic() + 200
    while lines(logs) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_each_row_is_sealed_exactly_once_and_nothing_forks(
    trail: Trail, database_url: str, tmp_path: Path
) -> None:
    trail.database.close()
    with crew("write", database_url, tmp_path, WRITERS) as written:
        for _ in range(4):
            with crew("seal", database_url, tmp_path, 2) as sealed:
                wait_for(sealed, 40)
            wait_for(written, lines(written) + 200)

    database = Database.at(database_url)
    left = Trail(database, key=None)
    unsealed = left.value(
        "SELECT count(*) FROM audit WHERE id NOT IN (SELECT audit_id FROM audit_leaf)"
    )
    after_the_kill = verify(database, Scope())
    left.now = left.now.replace(year=2030)
    left.seal()
    report = verify(database, Scope())
    rows = left.value("SELECT count(*) FROM audit")
    leaves = left.rows("SELECT count(*) AS n, count(DISTINCT audit_id) AS ids FROM audit_leaf")
    database.close()

    print(f"\n{rows} rows under {report.seals} seals, {unsealed} left over at the kill")
    assert after_the_kill.findings == []
    assert report.findings == []
    assert (report.rows, report.unsealed, leaves) == (rows, 0, [{"n": rows, "ids": rows}])
    assert rows >= lines(written) > 800
    assert report.seals > 8
