"""`manage.py audit prune`: whole seals, into an archive that verifies, and never unseen."""

import errno
import json
import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commands import Desk
from sqlalchemy import Connection

from attendance.audit import ANONYMOUS, Context, append, pruning, seals, triggers
from attendance.audit.checkpoint import Checkpoint
from attendance.audit.sealer import Sealer
from attendance.db import TooBusy, Unavailable

pytestmark = pytest.mark.slow

COMMAND = ("audit", "prune", "--older-than")
OLD = datetime(2024, 1, 1, tzinfo=UTC)


def grow(desk: Desk, days: int, rows: int = 2) -> None:
    """So many rows and their seal, as of that many days after the first."""
    then = OLD + timedelta(days=days)
    with desk.database() as database:
        for _ in range(rows):
            database.write(lambda c: append(c, then, Context(ANONYMOUS), "test.happened"))
        Sealer(database, lambda: then, None).finish()


@pytest.fixture
def years(desk: Desk) -> Desk:
    """Four seals of two rows, a hundred days apart."""
    for days in (0, 100, 200, 300):
        grow(desk, days)
    return desk


def prune(desk: Desk, before: str = "2024-06-01", *more: str) -> Path:
    path = desk.directory / "old.jsonl"
    desk.done("audit", "prune", "--older-than", before, "--archive", str(path), *more)
    return path


def ids(desk: Desk, table: str) -> list[int]:
    return [row["id"] for row in desk.rows(f"SELECT rowid AS id FROM {table} ORDER BY 1")]  # noqa: S608


def test_what_was_cut_is_in_the_archive_and_both_verify(years: Desk) -> None:
    path = prune(years)

    assert (ids(years, "audit_seal"), ids(years, "audit_leaf")) == ([3, 4], [5, 6, 7, 8])
    assert ids(years, "audit") == [5, 6, 7, 8, 9]
    assert "4 rows under 2 seals" in years.done("audit", "verify", "--archive", str(path))
    report = years.json("audit", "verify")
    assert (report["intact"], report["rows"], report["pruned"]["first_seal"]) == (True, 4, 3)


def test_the_cut_is_an_act_in_the_trail(years: Desk) -> None:
    prune(years)

    [entry] = years.audited("audit.pruned")
    after = json.loads(entry["after_json"])
    assert (entry["actor_type"], entry["target_id"], after["rows"]) == ("os_user", "3", 4)
    assert "Seals before 3 were pruned" in years.done("audit", "verify")
    assert after["archive_sha256"] in years.done("audit", "verify")


def test_the_triggers_stand_again(years: Desk) -> None:
    prune(years)

    with years.database() as database, database.snapshot() as connection:
        assert triggers.missing(connection) == []
    with (
        closing(sqlite3.connect(years.path)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute("DELETE FROM audit")


def test_a_second_cut_goes_on_from_the_first(years: Desk) -> None:
    first = prune(years)
    first.rename(years.directory / "first.jsonl")
    prune(years, "2024-09-01")

    assert ids(years, "audit_seal") == [4]
    assert years.json("audit", "verify")["pruned"]["first_seal"] == 4


def test_many_rows_go_step_by_step_so_that_no_writer_waits_long(
    years: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each step the trail verifies, as where the command is killed between two."""
    monkeypatch.setattr(pruning, "_ROWS_A_STEP", 2)
    found: list[tuple[list[int], bool]] = []

    def look(seconds: float) -> None:
        assert seconds > 0
        found.append((ids(years, "audit_seal"), years.json("audit", "verify")["intact"]))

    monkeypatch.setattr(time, "sleep", look)
    path = prune(years, "2024-09-01")

    assert found == [([2, 3, 4], True), ([3, 4], True)]
    assert ids(years, "audit_seal") == [4]
    cuts = [json.loads(entry["after_json"]) for entry in years.audited("audit.pruned")]
    assert [(cut["first_seal"], cut["rows"]) for cut in cuts] == [(2, 2), (3, 2), (4, 2)]
    assert len({cut["archive_sha256"] for cut in cuts}) == 1
    assert "6 rows under 3 seals" in years.done("audit", "verify", "--archive", str(path))


def test_where_another_has_pruned_meanwhile_nothing_is_cut_twice(
    years: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = pruning.plan

    def plan_and_be_overtaken(connection: Connection, before: datetime) -> pruning.Cut | None:
        monkeypatch.setattr(pruning, "plan", plan)
        found = plan(connection, before)
        years.done(*COMMAND, "2024-03-01", "--archive", str(years.directory / "first.jsonl"))
        return found

    monkeypatch.setattr(pruning, "plan", plan_and_be_overtaken)
    result = years.run(*COMMAND, "2024-06-01", "--archive", str(years.directory / "old.jsonl"))

    assert result.exit_code == 1
    assert result.stderr == "Error: Somebody else prunes the trail, too.\n"
    assert not (years.directory / "old.jsonl").exists()
    assert ids(years, "audit_seal") == [2, 3, 4]
    assert [row["outcome"] for row in years.audited("audit.pruned")] == ["success", "refused"]


def test_the_newest_seal_always_stays(years: Desk) -> None:
    prune(years, "2025-01-01")

    assert ids(years, "audit_seal") == [4]


def test_a_dry_run_changes_nothing(years: Desk) -> None:
    path = prune(years, "2024-06-01", "--dry-run")

    assert not path.exists()
    assert ids(years, "audit_seal") == [1, 2, 3, 4]


def test_where_nothing_is_that_old_nothing_is_cut(years: Desk) -> None:
    path = prune(years, "2023-01-01")

    assert not path.exists()


def test_a_file_that_is_there_is_left_alone(years: Desk) -> None:
    path = years.directory / "old.jsonl"
    path.write_text("mine")
    result = years.run("audit", "prune", "--older-than", "2024-06-01", "--archive", str(path))

    assert (result.exit_code, path.read_text()) == (1, "mine")
    assert ids(years, "audit_seal") == [1, 2, 3, 4]


def fail_after(monkeypatch: pytest.MonkeyPatch, steps: int, error: Exception) -> None:
    """So many steps of a cut succeed, of one seal each; the next one fails."""
    monkeypatch.setattr(pruning, "_ROWS_A_STEP", 1)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    carry_out, left = pruning.carry_out, [steps]

    def carry_out_or_fail(*arguments: Any, **more: Any) -> int | None:
        if not left[0]:
            raise error
        left[0] -= 1
        return carry_out(*arguments, **more)

    monkeypatch.setattr(pruning, "carry_out", carry_out_or_fail)


@pytest.mark.parametrize("error", [TooBusy("The database is busy."), ValueError("x")])
def test_where_nothing_was_cut_no_archive_is_in_the_next_one_s_way(
    years: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with monkeypatch.context() as patched:
        fail_after(patched, 0, error)
        result = years.run(*COMMAND, "2024-06-01", "--archive", str(years.directory / "old.jsonl"))

    assert result.exit_code == 1
    assert not (years.directory / "old.jsonl").exists()
    assert prune(years).exists()


@pytest.mark.parametrize(
    ("steps", "error", "left"),
    [(1, TooBusy("The database is busy."), 3), (0, Unavailable("The connection was lost."), 4)],
)
def test_an_archive_that_may_be_all_that_holds_a_row_stays(
    years: Desk, monkeypatch: pytest.MonkeyPatch, steps: int, error: Exception, left: int
) -> None:
    path = years.directory / "old.jsonl"
    fail_after(monkeypatch, steps, error)
    result = years.run(*COMMAND, "2024-09-01", "--archive", str(path))

    assert (result.exit_code, len(ids(years, "audit_seal"))) == (1, left)
    assert f"{path} stays: what " in result.stderr
    assert "6 rows under 3 seals" in years.done("audit", "verify", "--archive", str(path))


def test_a_disk_that_fails_leaves_no_half_of_an_archive(
    years: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        result = years.run(*COMMAND, "2024-06-01", "--archive", str(years.directory / "old.jsonl"))

    assert (result.exit_code, "No space left" in result.stderr) == (1, True)
    assert not (years.directory / "old.jsonl").exists()


def test_an_archive_is_on_disk_with_its_name_before_what_it_holds_is_pruned(
    years: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    sync = os.fsync

    def note(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        sync(descriptor)

    path = years.directory / "old.jsonl"
    monkeypatch.setattr(os, "fsync", note)
    years.done(*COMMAND, "2024-06-01", "--archive", str(path))
    assert synced == {path.stat().st_ino, path.parent.stat().st_ino}


def tamper(desk: Desk, statement: str) -> None:
    with closing(sqlite3.connect(desk.path, isolation_level=None)) as connection:
        for table in triggers.TABLES:
            connection.execute(f"DROP TRIGGER {table}_no_delete")
            connection.execute(f"DROP TRIGGER {table}_no_update")
        connection.execute(statement)


def test_what_does_not_verify_is_not_cut(years: Desk) -> None:
    tamper(years, "UPDATE audit SET action = 'nothing' WHERE id = 2")
    path = years.directory / "old.jsonl"
    result = years.run("audit", "prune", "--older-than", "2024-06-01", "--archive", str(path))

    assert result.exit_code == 1
    assert "Nothing was cut: row 2 (leaf 2, seal 1) is not what was sealed" in result.stderr
    assert not path.exists()
    assert ids(years, "audit_seal") == [1, 2, 3, 4]
    [refused] = years.audited("audit.pruned")
    assert (refused["outcome"], "is not what was sealed" in refused["reason"]) == ("refused", True)


def test_another_front_that_is_gone_is_tampering(years: Desk) -> None:
    prune(years)
    tamper(years, "DELETE FROM audit_seal WHERE id = 3")

    assert years.run("audit", "verify", "--json").exit_code == 1


def test_an_archive_that_was_changed_is_found(years: Desk) -> None:
    path = prune(years)
    path.write_text(path.read_text().replace("test.happened", "test.nothing", 1))

    result = years.run("audit", "verify", "--archive", str(path))
    assert (result.exit_code, "row_modified" in result.stdout) == (1, True)


def anchored(desk: Desk) -> Path:
    """Anchors of the second seal, which is cut, and of the fourth, which is not."""
    head = desk.directory / "head.txt"
    with desk.database() as database, database.snapshot() as connection:
        kept = [Checkpoint.of(one, "host") for i in (2, 4) if (one := seals.one(connection, i))]
    head.write_text("\n".join(map(str, kept)))
    return head


def test_which_anchors_an_archive_was_compared_with_is_said(years: Desk) -> None:
    head = anchored(years)
    path = prune(years)

    told = years.done("audit", "verify", "--archive", str(path), "--anchor", str(head))
    assert told.splitlines()[1:] == [
        "Anchors that fit: 1; that lie before this: 0.",
        (
            "Not compared, as they lie after this archive: 1. `audit verify` without --archive "
            "compares them with the trail."
        ),
        "The archive is intact.",
    ]
    told = years.done("audit", "verify", "--anchor", str(head))
    assert "Anchors that fit: 1; that lie before this: 1." in told


def test_an_archive_of_another_trail_does_not_fit_its_anchor(years: Desk) -> None:
    path = prune(years)
    head = years.directory / "head.txt"
    head.write_text(str(Checkpoint("attendance-audit/host", 4, "ab" * 32)))

    result = years.run("audit", "verify", "--archive", str(path), "--anchor", str(head))
    assert result.exit_code == 1
    assert "fork: seal 2 is not the one that an anchor has seen at 4 rows" in result.stdout


@pytest.mark.parametrize("text", ["", "nonsense\n", '{"seal": {}}\n', "[]\n"])
def test_what_is_no_archive_cannot_be_verified(desk: Desk, text: str) -> None:
    path = desk.directory / "x.jsonl"
    path.write_text(text)

    assert desk.run("audit", "verify", "--archive", str(path)).exit_code == 2
