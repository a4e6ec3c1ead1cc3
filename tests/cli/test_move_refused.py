"""What `db move` refuses before it has closed anything, and the way back from what it has."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from commands import Desk
from moves import WAY_ON, psql

from attendance.audit.sealer import Sealer
from attendance.config.secrets import Secret
from attendance.db import format_utc, schema, utc_now
from attendance.outbox.heartbeat_files import FileHeartbeat


def _refused(result: Result) -> str:
    """The one sentence, or two, that a refused command says."""
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def _is_open(desk: Desk) -> bool:
    """Whether the source takes writes, and knows of no move."""
    desk.done("keys", "create", f"key-{utc_now().timestamp()}", "--role", "admin")
    return desk.rows("SELECT * FROM relocation") == []


def _make_a_row(url: str) -> None:
    schema.upgrade(url)
    with psql(url) as connection:
        connection.execute("INSERT INTO service_secret VALUES ('signing', 'theirs', now())")


def _make_a_table(url: str) -> None:
    with psql(url) as connection:
        connection.execute("CREATE TABLE accounts (id int)")


def _make_a_newer_shape(url: str) -> None:
    schema.upgrade(url)
    with psql(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


@pytest.mark.parametrize("make", [_make_a_row, _make_a_table, _make_a_newer_shape])
def test_a_target_that_is_not_empty(desk: Desk, target: str, make: Callable[[str], None]) -> None:
    make(target)
    assert "is not empty" in _refused(desk.run("db", "move", "--to", target))
    assert _is_open(desk)


@pytest.mark.slow
def test_a_server_that_is_not_there(desk: Desk, tmp_path: Path) -> None:
    url = f"postgresql+psycopg://me:pw-1@/a?host={tmp_path}"
    told = _refused(desk.run("db", "move", "--to-file", str(_written(tmp_path, url))))
    assert "cannot be used" in told
    assert "pw-1" not in told
    assert _is_open(desk)


def test_a_role_that_may_not_make_tables(desk: Desk, target: str) -> None:
    with psql(target) as connection:
        connection.execute("CREATE ROLE guest LOGIN")
    told = _refused(desk.run("db", "move", "--to", target.replace("postgres@", "guest@")))
    assert "does not let us do this (permission denied" in told
    assert _is_open(desk)
    with psql(target) as connection:
        connection.execute("DROP ROLE guest")


def test_a_file_without_a_url(desk: Desk, tmp_path: Path) -> None:
    told = _refused(desk.run("db", "move", "--to-file", str(tmp_path / "none")))
    assert "none cannot be read: No such file or directory." in told


def test_a_source_that_is_on_postgresql_already(desk: Desk, target: str, postgres_url: str) -> None:
    told = _refused(desk.run("db", "move", "--to", target, DATABASE_URL=postgres_url))
    assert "which is on PostgreSQL already" in told


def test_a_source_that_is_not_sound(desk: Desk, target: str) -> None:
    desk.execute("DROP INDEX ix_outbox_unsettled")
    told = _refused(desk.run("db", "move", "--to", target))
    assert "ix_outbox_unsettled" in told
    assert "`manage.py db check`" in told


def test_a_message_that_is_being_delivered(desk: Desk, target: str) -> None:
    now, lease = utc_now(), timedelta(seconds=60)
    desk.execute(
        "UPDATE outbox SET status = 'sending', token = 't', claimed_by = 'h', claimed_at = ?, "
        "due_at = ? WHERE id = ?",
        *(format_utc(now), format_utc(now + lease), desk.message()),
    )
    told = _refused(desk.run("db", "move", "--to", target))
    assert "A message is being delivered until 20" in told
    assert _is_open(desk)


def test_a_dispatcher_that_is_at_work(desk: Desk, target: str) -> None:
    FileHeartbeat(desk.path, "here-17").beat()
    told = _refused(desk.run("db", "move", "--to", target))
    assert "A dispatcher is at work (here-17): stop the service." in told
    assert _is_open(desk)


def test_a_signed_trail_without_the_key(desk: Desk, target: str) -> None:
    """Its last seal would be without a signature, and `audit verify` would say so for ever."""
    key = {"AUDIT_HMAC_KEY": "a key of sixteen"}
    with desk.database() as database:
        desk.done("keys", "create", "door", "--role", "admin")
        Sealer(database, database.clock, Secret(key["AUDIT_HMAC_KEY"])).finish()
    assert "set AUDIT_HMAC_KEY" in _refused(desk.run("db", "move", "--to", target))
    assert _is_open(desk)

    desk.done("db", "move", "--to", target, **key)
    for url in (desk.environ["DATABASE_URL"], target):
        assert "is intact" in desk.done("audit", "verify", DATABASE_URL=url, **key)


def test_a_row_that_postgresql_does_not_take_and_the_way_back(desk: Desk, target: str) -> None:
    """A stranger's. The move is given up, and everything is as it was."""
    desk.execute("INSERT INTO turn VALUES ('other', 'some day')")
    before = desk.rows("SELECT type, name, sql FROM sqlite_master ORDER BY name")
    told = _refused(desk.run("db", "move", "--to", target))
    assert "PostgreSQL refused a row of turn: invalid input syntax" in told
    assert f"{desk.path} is closed: {WAY_ON}" in told
    assert desk.run("outbox", "cancel", str(1)).exit_code == 1

    assert "is open again" in desk.done("db", "move", "--cancel")

    assert desk.rows("SELECT type, name, sql FROM sqlite_master ORDER BY name") == before
    assert _is_open(desk)
    (entry,) = desk.audited("db.reopened")
    assert json.loads(entry["after_json"])["was_complete"] is False
    assert "The trail is intact." in desk.done("audit", "verify")


def test_there_must_be_something_to_give_up(desk: Desk) -> None:
    assert "is not being moved" in _refused(desk.run("db", "move", "--cancel"))


def test_a_complete_move_is_given_up_only_by_who_says_so(desk: Desk, target: str) -> None:
    desk.done("db", "move", "--to", target)
    assert "add --discard" in _refused(desk.run("db", "move", "--cancel"))
    assert desk.run("keys", "create", "a", "--role", "admin").exit_code == 1

    desk.done("db", "move", "--cancel", "--discard")

    assert _is_open(desk)
    (entry,) = desk.audited("db.reopened")
    assert json.loads(entry["after_json"])["was_complete"] is True
    told = _refused(desk.run("db", "move", "--to", target))
    assert f"that of another move, from {desk.path} on " in told


def test_what_has_moved_does_not_move_again(desk: Desk, target: str) -> None:
    """It is old by then, and nobody must start on it."""
    desk.done("db", "move", "--to", target)
    with psql(target) as admin:
        admin.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    assert "has moved to" in _refused(desk.run("db", "move", "--to", target))


def _written(folder: Path, url: str) -> Path:
    file = folder / "url"
    file.write_text(url)
    return file
