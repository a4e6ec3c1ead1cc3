"""A sign of life that takes no lock."""

import os
import stat
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bench import in_processes

from attendance.outbox.heartbeat import dispatcher_name
from attendance.outbox.heartbeat_files import FileHeartbeat, last_beats

DAY = 86400


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "attendance.db"


def test_a_beat_is_seen_under_its_name(place: Path) -> None:
    before = time.time()
    FileHeartbeat(place, "host-1").beat()
    FileHeartbeat(place, "host-2").beat()
    beats = last_beats(place)
    assert set(beats) == {"host-1", "host-2"}
    assert abs(beats["host-1"].timestamp() - before) < 60
    assert beats["host-1"].tzinfo == UTC


def test_the_file_is_its_owners_alone(place: Path) -> None:
    FileHeartbeat(place, "host-1").beat()
    [file] = place.parent.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_it_beats_no_more_often_than_needed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: passed[0])
    mine = FileHeartbeat(place, "host-1")
    mine.beat()
    [file] = place.parent.iterdir()
    os.utime(file, (1000, 1000))
    passed[0] += 4.9
    mine.beat()
    assert file.stat().st_mtime == 1000
    passed[0] += 0.1
    mine.beat()
    assert file.stat().st_mtime > 1000


def test_one_that_stopped_is_gone(place: Path) -> None:
    mine = FileHeartbeat(place, "host-1")
    mine.beat()
    mine.stop()
    mine.stop()
    assert last_beats(place) == {}


def beat_and_die(place: Path) -> None:
    FileHeartbeat(place, dispatcher_name("host")).beat()


@pytest.mark.slow
def test_one_that_was_killed_is_remembered_for_a_day(place: Path) -> None:
    in_processes(beat_and_die, [(place,)])
    [file] = place.parent.iterdir()
    almost = time.time() - DAY + 60
    os.utime(file, (almost, almost))
    assert list(last_beats(place).values()) == [datetime.fromtimestamp(file.stat().st_mtime, UTC)]
    os.utime(file, (almost - 120, almost - 120))
    assert last_beats(place) == {}
    assert not file.exists()


def test_the_name_of_another_database_is_not_taken_for_ours(tmp_path: Path) -> None:
    FileHeartbeat(tmp_path / "other.db", "host-1").beat()
    assert last_beats(tmp_path / "attendance.db") == {}


def test_a_database_may_have_any_name(tmp_path: Path) -> None:
    FileHeartbeat(tmp_path / "a[1]*.db", "host-1").beat()
    assert set(last_beats(tmp_path / "a[1]*.db")) == {"host-1"}


def test_a_name_tells_the_process() -> None:
    assert dispatcher_name("host") == f"host-{os.getpid()}"
