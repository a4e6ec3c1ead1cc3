"""A database that was moved away: to be read for ever, and written to by nobody."""

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from commands import Desk
from moves import FILLED, MovedDesk

from attendance.db import Base

READING = [
    ("audit", "verify"),
    ("audit", "list"),
    ("audit", "anchor"),
    ("audit", "export"),
    ("db", "check"),
    ("db", "backup", "copy.db"),
    ("keys", "list"),
    ("chats", "list"),
    ("outbox", "list"),
    ("outbox", "show", "3"),
    ("outbox", "stats"),
]
WRITING = [
    ("keys", "create", "new", "--role", "admin"),
    ("chats", "pause", "1000"),
    ("outbox", "retry"),
    ("outbox", "cancel", "3"),
    ("outbox", "purge", "--older-than", "1h"),
    ("db", "upgrade"),
    ("dispatch",),
    ("serve",),
]


@pytest.mark.parametrize("table", sorted(Base.metadata.tables.keys() - {"relocation"}))
def test_what_was_left_is_closed_to_strangers(moved: MovedDesk, table: str) -> None:
    statements = [f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"]  # noqa: S608
    if table in FILLED:
        statements += [f"DELETE FROM {table}", f"UPDATE {table} SET rowid = rowid"]  # noqa: S608
    if table in {"client_event", "idempotency_key"}:  # which have no rowid
        statements[2] = f"UPDATE {table} SET key_lineage = 2"  # noqa: S608
    if table not in FILLED:
        statements = [f"INSERT INTO {table} VALUES ('x', 'x')"]  # noqa: S608
    with closing(sqlite3.connect(moved.desk.path)) as stranger:
        for statement in statements:
            with pytest.raises(sqlite3.IntegrityError, match=r"^This database is closed: "):
                stranger.execute(statement)


@pytest.mark.parametrize("command", WRITING, ids=" ".join)
def test_what_writes_or_serves_is_refused_there_and_told_where_to_go(
    moved: MovedDesk, command: tuple[str, ...]
) -> None:
    telegram = {"TELEGRAM_BOT_TOKEN": "1:x", "TELEGRAM_CHAT_ID": "1"}
    result = moved.desk.run(*command, **telegram)

    assert result.exit_code == 1
    assert re.search(r"(closed|moved).* to test_\d+ on this host", result.stderr)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_what_reads_still_reads_there(
    moved: MovedDesk, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert moved.desk.done(*command)


def test_a_copy_of_what_was_left_is_sound_and_as_closed(moved: MovedDesk, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    moved.desk.done("db", "backup", str(copy))

    environ = {"DATABASE_URL": f"sqlite:///{copy}"}
    assert moved.desk.done("db", "check", **environ) == "The database is sound.\n"
    assert moved.desk.run("keys", "revoke", "door", **environ).exit_code == 1
    assert moved.desk.run("serve", **environ).exit_code == 1


def test_no_worker_starts_there(moved: MovedDesk) -> None:
    made = subprocess.run(
        [sys.executable, "-c", "from attendance.app import create_app; create_app()"],
        env=moved.desk.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 1
    assert re.search(r"Moved: .* has moved to test_\d+ on this host: set DATABASE_URL", made.stderr)


def test_doctor_says_where_it_went(moved: MovedDesk) -> None:
    result = moved.desk.run("doctor")
    assert result.exit_code == 1
    assert re.search(r"fail +database .*has moved to", result.stdout)


def test_from_where_it_has_come_to_it_is_not_given_up(desk: Desk, target: str) -> None:
    desk.done("db", "move", "--to", target)
    told = desk.run("db", "move", "--cancel", "--discard", DATABASE_URL=target)
    assert told.exit_code == 1
    assert f"moved here from {desk.path}" in told.stderr
    assert "set DATABASE_URL to that" in told.stderr
