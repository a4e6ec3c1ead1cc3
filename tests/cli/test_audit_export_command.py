"""`manage.py audit export`: to a file or to standard output, and itself audited."""

import csv
import io
import json
import stat

import pytest
from commands import Desk

from attendance.audit import export
from attendance.db import TooBusy


@pytest.fixture
def trail(desk: Desk) -> Desk:
    """Three acts."""
    for name in ("door", "=gate", "roof"):
        desk.done("keys", "create", name, "--role", "frontend")
    return desk


def test_an_export_to_standard_output_is_csv(trail: Desk) -> None:
    rows = list(csv.DictReader(io.StringIO(trail.done("audit", "export"))))

    assert [row["action"] for row in rows] == ["key.created"] * 3
    assert [entry["actor_type"] for entry in trail.audited("audit.exported")] == ["os_user"]


def test_an_export_to_a_file_is_for_this_user_alone(trail: Desk) -> None:
    path = trail.directory / "trail.jsonl"
    trail.done("audit", "export", "--format", "jsonl", "--target", "api_key:2", str(path))

    assert [json.loads(line)["target_id"] for line in path.read_text().splitlines()] == ["2"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_there_is_left_alone(trail: Desk) -> None:
    path = trail.directory / "trail.csv"
    path.write_text("mine")
    result = trail.run("audit", "export", str(path))

    assert result.exit_code == 1
    assert "cannot be made: File exists" in result.stderr
    assert path.read_text() == "mine"
    assert [row["outcome"] for row in trail.audited("audit.exported")] == ["refused"]


def test_an_export_that_fails_leaves_no_file(trail: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise TooBusy("The database is busy: nothing was written.")

    monkeypatch.setattr(export, "begin", refuse)
    result = trail.run("audit", "export", str(trail.directory / "trail.csv"))

    assert (result.exit_code, "is busy" in result.stderr) == (1, True)
    assert not (trail.directory / "trail.csv").exists()
    assert [row["outcome"] for row in trail.audited("audit.exported")] == ["refused"]
