"""`manage.py db`: made, checked and copied, while others use it."""

import json
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
from commands import Desk

from attendance import audit

pytestmark = pytest.mark.slow


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _check(desk: Desk) -> list[str]:
    """The faults that a check must find, with exit code 1."""
    result = desk.run("db", "check", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["ok"]) == (1, False)
    faults: list[str] = found["faults"]
    return faults


def test_upgrade_makes_the_database_for_its_owner_alone(empty_desk: Desk) -> None:
    answer = empty_desk.done("db", "upgrade")

    assert answer.startswith(f"A new database was made: {empty_desk.path} (DATABASE_URL), at ")
    assert _mode(empty_desk.path) == 0o600
    assert empty_desk.done("db", "check") == "The database is sound.\n"


def test_serve_says_where_it_made_a_database_and_nothing_where_there_was_one(
    empty_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attendance.cli.serve._become_gunicorn", lambda: None)
    first, second = empty_desk.done("serve"), empty_desk.done("serve")

    assert first.startswith(f"A new database was made: {empty_desk.path} (DATABASE_URL), at ")
    assert second == ""


def test_upgrade_is_audited_once(empty_desk: Desk) -> None:
    empty_desk.done("db", "upgrade")
    again = empty_desk.done("db", "upgrade")

    assert "is up to date" in again
    assert "new database" not in again
    (entry,) = empty_desk.audited("db.upgraded")
    assert entry["actor_type"] == "os_user"
    assert json.loads(entry["before_json"]) == {"revision": None}


def test_an_upgrade_that_cannot_be_audited_is_none(
    empty_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(audit, "append", None)
        assert isinstance(empty_desk.run("db", "upgrade").exception, TypeError)
    assert empty_desk.run("keys", "list").exit_code == 1

    empty_desk.done("db", "upgrade")

    assert len(empty_desk.audited("db.upgraded")) == 1


def test_a_place_where_no_database_can_be_made_is_refused(empty_desk: Desk) -> None:
    (empty_desk.directory / "file").touch()

    url = f"sqlite:///{empty_desk.directory}/file/attendance.db"
    result = empty_desk.run("db", "upgrade", DATABASE_URL=url)

    assert result.exit_code == 1
    assert "correct DATABASE_URL" in result.stderr


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_that_could_not_keep_anything_is_refused(empty_desk: Desk, url: str) -> None:
    result = empty_desk.run("db", "upgrade", DATABASE_URL=url)

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: DATABASE_URL names a database")


def test_a_sound_database_is_said_to_be_sound(desk: Desk) -> None:
    assert desk.done("db", "check") == "The database is sound.\n"
    assert desk.json("db", "check") == {"ok": True, "faults": []}


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ("DROP INDEX ix_outbox_unsettled", "ix_outbox_unsettled"),
        ("DROP TABLE service_secret", "service_secret"),
        ("CREATE TABLE stranger (id INTEGER)", "stranger"),
        ("ALTER TABLE attendance ADD COLUMN colour TEXT", "colour"),
        ("DROP TRIGGER audit_no_delete", "trigger audit_no_delete is missing"),
        ("DROP TRIGGER audit_no_replace", "trigger audit_no_replace is missing"),
        ("DROP TRIGGER correction_no_update", "trigger correction_no_update is missing"),
        ("DROP TRIGGER chat_ready_after_update", "trigger chat_ready_after_update is missing"),
    ],
)
def test_a_shape_that_differs_is_found(desk: Desk, damage: str, fault: str) -> None:
    with closing(sqlite3.connect(desk.path)) as stranger:
        stranger.execute(damage)

    assert any(fault in line for line in _check(desk))


def test_a_reference_to_nothing_is_found(desk: Desk) -> None:
    with closing(sqlite3.connect(desk.path, isolation_level=None)) as stranger:
        stranger.execute(
            "INSERT INTO outbox_attempt (outbox_id, number, token, claimed_by, started_at, "
            "ended_at, outcome) VALUES (4711, 1, 't', 'h', 'x', 'x', 'late')"
        )

    assert _check(desk) == ["outbox_attempt row 1 refers to a outbox that is gone"]


def test_a_damaged_page_is_found(desk: Desk) -> None:
    desk.done("keys", "create", "door", "--role", "admin")
    with closing(sqlite3.connect(desk.path)) as stranger:
        stranger.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'ix_audit_target'"
        (page,) = stranger.execute(query).fetchone()
    with desk.path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)

    result = desk.run("db", "check")

    assert result.exit_code == 1
    assert result.output.strip()
    assert "sound" not in result.stdout


def test_a_backup_is_a_sound_copy_for_its_owner_alone(desk: Desk) -> None:
    desk.done("keys", "create", "door", "--role", "admin")
    copy = desk.directory / "copy.db"

    answer = desk.done("db", "backup", str(copy))

    assert answer.startswith(f"{copy} written, ")
    assert _mode(copy) == 0o600
    environ = {"DATABASE_URL": f"sqlite:///{copy}"}
    assert desk.done("db", "check", **environ) == "The database is sound.\n"
    assert "door" in desk.done("keys", "list", **environ)


def test_a_backup_is_audited(desk: Desk) -> None:
    copy = desk.directory / "copy.db"
    desk.done("db", "backup", str(copy))

    (entry,) = desk.audited("db.backup")
    after = json.loads(entry["after_json"])
    assert after == {"file": str(copy), "bytes": copy.stat().st_size}


def test_a_relative_backup_lies_where_one_stands(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.directory)

    desk.done("db", "backup", "copy.db")

    assert (desk.directory / "copy.db").exists()


@pytest.mark.parametrize("name", ["there.db", "attendance.db"])
def test_a_backup_overwrites_nothing(desk: Desk, name: str) -> None:
    (desk.directory / "there.db").write_text("precious")
    target = desk.directory / name

    result = desk.run("db", "backup", str(target))

    assert result.exit_code == 1
    assert f"{target} exists" in result.stderr
    assert (desk.directory / "there.db").read_text() == "precious"
    assert desk.done("db", "check") == "The database is sound.\n"


def test_a_backup_to_nowhere_leaves_nothing(desk: Desk) -> None:
    result = desk.run("db", "backup", str(desk.directory / "none" / "copy.db"))

    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr
    assert [row["outcome"] for row in desk.audited("db.backup")] == ["refused"]


def test_a_backup_is_whole_while_another_process_writes(desk: Desk) -> None:
    """Each key is written with its audit row: no copy may have one without the other."""
    stopped = threading.Event()

    def copy_often() -> None:
        for number in range(3):
            desk.done("db", "backup", str(desk.directory / f"copy{number}.db"))
        stopped.set()

    thread = threading.Thread(target=copy_often)
    thread.start()
    while not stopped.is_set():
        assert desk.process("keys", "create", _name(), "--role", "frontend").returncode == 0
        if not thread.is_alive():
            break
    thread.join()

    for number in range(3):
        with closing(sqlite3.connect(desk.directory / f"copy{number}.db")) as copy:
            keys = copy.execute("SELECT count(*) FROM api_key").fetchone()
            made = copy.execute("SELECT count(*) FROM audit WHERE action='key.created'").fetchone()
        assert keys == made


_names = iter(range(10_000))


def _name() -> str:
    return f"door {next(_names)}"
