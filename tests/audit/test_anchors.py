"""The head of the seals, told to a file, the log and a chat."""

import logging
import os
import sqlite3
import stat
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url
from trails import Trail

from attendance.audit import seals
from attendance.audit.anchors import Anchors
from attendance.audit.checkpoint import Checkpoint, read
from attendance.audit.verify import Scope, verify
from attendance.db import Database
from attendance.maintenance.lifecycle import enqueue_anchor
from attendance.telegram.markdown.text import plain

OTHER_GROUP = 100

pytestmark = pytest.mark.both_databases


def anchors(trail: Trail, chat: str | None = "-1001") -> Anchors:
    return Anchors(trail.database, lambda: trail.now, "host", chat, enqueue_anchor)


def head(trail: Trail) -> Checkpoint:
    with trail.database.snapshot() as connection:
        newest = seals.head(connection)
    assert newest is not None
    return Checkpoint.of(newest, "host")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes with a server's database lies in the working directory."""
    monkeypatch.chdir(tmp_path)


def test_the_head_is_in_a_file_beside_the_database_and_in_the_log(
    trail: Trail, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    trail.grow(2)
    anchoring = anchors(trail)
    anchoring()

    assert anchoring.file == trail.database.sidecar(".checkpoint")
    assert read(anchoring.file.read_text()) == [head(trail)]
    assert stat.S_IMODE(anchoring.file.stat().st_mode) == 0o600
    assert str(head(trail)).split()[2] in caplog.text


def test_on_postgresql_the_file_lies_where_the_readme_says(
    postgres_url: str, tmp_path: Path
) -> None:
    database = Database.at(postgres_url)
    name = str(make_url(postgres_url).database)
    assert database.sidecar(".checkpoint") == tmp_path / f"{name}.checkpoint"
    database.close()


@pytest.mark.sqlite_only
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to a strange group")
def test_the_file_is_open_to_whom_the_database_is(trail: Trail) -> None:
    """DATABASE_GROUP: an auditor's account."""
    trail.grow(1)
    os.chown(trail.path, -1, OTHER_GROUP)
    trail.path.chmod(0o660)
    anchors(trail)()

    found = anchors(trail).file.stat()
    assert (found.st_gid, stat.S_IMODE(found.st_mode)) == (OTHER_GROUP, 0o660)


def test_the_file_is_written_anew_once_an_hour_and_at_the_stop(trail: Trail) -> None:
    trail.grow(1)
    anchors(trail)()
    first = head(trail)
    trail.grow(1)
    anchors(trail)()
    assert read(anchors(trail).file.read_text()) == [first]

    anchors(trail).publish()
    assert read(anchors(trail).file.read_text()) == [head(trail)]


def test_before_the_first_seal_nothing_is_told(trail: Trail) -> None:
    anchors(trail)()

    assert not anchors(trail).file.exists()
    assert trail.rows("SELECT * FROM outbox") == []


def test_a_chat_is_told_once_a_day_by_whichever_process_comes_first(trail: Trail) -> None:
    trail.grow(2)
    for hours in (0, 0, 23, 1, 0):
        trail.now += timedelta(hours=hours)
        anchors(trail)()

    assert trail.value("SELECT count(*) FROM outbox WHERE chat_id = '-1001'") == 2
    told = trail.rows("SELECT * FROM audit WHERE action = 'audit.anchored'")
    assert [row["target_id"] for row in told] == ["-1001", "-1001"]


@pytest.mark.sqlite_only
@pytest.mark.parametrize("time", ["'noon'", "'2026-11-23'", "CAST(x'ff' AS TEXT)"])
def test_a_stranger_s_row_keeps_nobody_from_being_told(trail: Trail, time: str) -> None:
    row = (
        "INSERT INTO audit (occurred_at, actor_type, action, outcome, host, schema_version, "
        "target_type, target_id) "
        "VALUES ({}, 'service', 'a.b', 'success', 'h', 1, 'audit_anchor', '-1001')"
    )
    with closing(sqlite3.connect(trail.path)) as stranger, stranger:
        stranger.execute(row.format(time))
    trail.grow(1)

    anchors(trail)()

    assert len(trail.rows("SELECT 1 FROM outbox")) == 1


def test_a_chat_is_told_also_where_the_file_cannot_be_written(trail: Trail) -> None:
    """On PostgreSQL it lies in the working directory, which may be `/`."""
    trail.grow(2)
    anchoring = anchors(trail)
    anchoring.file.mkdir()
    os.utime(anchoring.file, (0, 0))

    with pytest.raises(OSError, match=r"\.checkpoint"):
        anchoring()

    assert len(trail.rows("SELECT 1 FROM outbox WHERE chat_id = '-1001'")) == 1


def test_without_a_chat_nobody_is_told(trail: Trail) -> None:
    trail.grow(2)
    anchors(trail, chat=None)()

    assert trail.rows("SELECT * FROM outbox") == []


def test_what_a_person_copies_from_the_chat_is_an_anchor(trail: Trail) -> None:
    trail.grow(2)
    anchors(trail)()
    [message] = trail.rows("SELECT text FROM outbox")
    copied = plain(message["text"]) + "\n#17"

    [anchor] = read(copied)
    assert anchor == head(trail)
    report = verify(trail.database, Scope(key=None, anchors=[anchor]))
    assert (report.findings, report.anchors_matched) == ([], 1)


@pytest.mark.parametrize(
    "text", ["", "a\nb\nc", "origin\n12\nnot base64!\n", "origin\n12\nYWJj\n", "\n12\n" + "A" * 44]
)
def test_what_holds_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="holds no checkpoint"):
        read(text)


def test_a_host_with_spaces_makes_no_two_words() -> None:
    seal = {"last_seq": 1, "hash": "00" * 32}

    assert str(Checkpoint.of(seal, "my host+1")).startswith("attendance-audit/my-host-1\n1\n")
