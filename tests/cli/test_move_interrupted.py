"""A move that dies in the middle: nobody starts on either side, and the same command goes on."""

import re
import subprocess
import time
from typing import Any

import psycopg
import pytest
from commands import Desk
from moves import WAY_ON, all_here, all_there, fill, psql

from attendance import relocation
from attendance.db import Database, schema
from attendance.relocation import source as moving_source
from attendance.relocation import target as moving_target
from attendance.relocation.comparing import compare
from attendance.relocation.move import Move

STEPS: dict[str, tuple[Any, str]] = {
    "the source is closed": (moving_source, "close"),
    "the target is reserved": (moving_target, "reserve"),
    "all is copied": (Move, "_bring"),
    "the source is marked": (moving_source, "finish"),
}
SLOW = """
CREATE FUNCTION slow() RETURNS bool LANGUAGE sql AS
    $$ SELECT pg_sleep(0.03); SELECT true $$;
ALTER TABLE outbox ADD CONSTRAINT slow CHECK (slow());
"""
FAST = "ALTER TABLE outbox DROP CONSTRAINT slow"
COPYING = """SELECT tuples_processed FROM pg_stat_progress_copy
    WHERE relid = 'outbox'::regclass AND tuples_processed > 0"""

LOSE = "SELECT pg_terminate_backend(pid) FROM pg_stat_progress_copy"
CLOSED_FOR_TODAY = """
CREATE FUNCTION refuse_the_end() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'closed for today'; END $$;
CREATE TRIGGER closed BEFORE UPDATE ON relocation
    FOR EACH ROW EXECUTE FUNCTION refuse_the_end();
"""
OPEN = "DROP TRIGGER closed ON relocation"


class Died(BaseException):
    """The power is gone: nothing catches it."""


def _die_after(desk: Desk, step: str, target: str) -> None:
    """Begin a move, which ends right after this step."""
    where, name = STEPS[step]
    done = getattr(where, name)

    def die(*arguments: Any, **named: Any) -> Any:
        done(*arguments, **named)
        raise Died

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, die)
        with pytest.raises(Died):
            desk.run("db", "move", "--to", target)


def _is_whole(desk: Desk, target: str) -> None:
    assert all_there(desk, target) == all_here(desk)
    assert "The trail is intact." in desk.done("audit", "verify", DATABASE_URL=target)


def _is_refused(desk: Desk, target: str) -> None:
    create, cancel = ("keys", "create", "a", "--role", "admin"), ("db", "move", "--cancel")
    for command in (("serve",), ("dispatch",), create, cancel):
        told = desk.run(*command, DATABASE_URL=target)
        assert (told.exit_code, "is not complete" in told.stderr) == (1, True), told.stderr


@pytest.mark.parametrize("step", STEPS)
def test_dead_after_any_step_it_is_refused_everywhere_and_goes_on(
    desk: Desk, target: str, step: str
) -> None:
    """There is no moment at which both would serve: the target opens last."""
    fill(desk)
    _die_after(desk, step, target)
    assert re.search("has moved to|is being moved to", desk.run("serve").stderr)
    if step != "the source is closed":
        _is_refused(desk, target)

    answer = desk.done("db", "move", "--to", target)

    assert "rows moved" in answer
    _is_whole(desk, target)
    assert "has moved to" in desk.run("serve").stderr


def test_killed_in_the_middle_of_the_copy_it_begins_anew(desk: Desk, target: str) -> None:
    fill(desk)
    _prepare_slow(target)
    with desk.running("db", "move", "--to", target) as process, psql(target) as watcher:
        _wait_for_the_copy(process, watcher)
        process.kill()
        process.wait()
    _is_refused(desk, target)
    with psql(target) as stranger:
        assert stranger.execute("SELECT count(*) FROM attendance").fetchall() == [(0,)]
        stranger.execute(FAST)

    desk.done("db", "move", "--to", target)

    _is_whole(desk, target)


def test_a_connection_that_is_lost_in_the_middle_leaves_a_way_on_and_a_way_back(
    desk: Desk, target: str
) -> None:
    fill(desk)
    _prepare_slow(target)
    with desk.running("db", "move", "--to", target) as process, psql(target) as watcher:
        _wait_for_the_copy(process, watcher)
        watcher.execute(LOSE)
        _, told = process.communicate(timeout=60)
        watcher.execute(FAST)
    assert (process.returncode, told.count("\n")) == (1, 1), told
    assert re.search(r"The database test_\d+ on this host cannot be used", told)
    assert f"{desk.path} is closed: {WAY_ON}" in told

    desk.done("db", "move", "--to", target)

    _is_whole(desk, target)


def test_an_end_that_the_server_refuses_is_only_to_be_run_again(desk: Desk, target: str) -> None:
    """The source is marked by then: to open it would leave two that serve."""
    fill(desk)
    schema.upgrade(target)
    with psql(target) as stranger:
        stranger.execute(CLOSED_FOR_TODAY)
        told = desk.run("db", "move", "--to", target)
        stranger.execute(OPEN)
    assert told.exit_code == 1
    assert "The database that is moved to refused: closed for today." in told.stderr
    assert f"{desk.path} is closed: run this again.\n" in told.stderr

    desk.done("db", "move", "--to", target)

    _is_whole(desk, target)


def _wait_for_the_copy(
    process: "subprocess.Popen[str]", watcher: "psycopg.Connection[Any]"
) -> None:
    """Until some of the messages are there, in a transaction that goes on."""
    ends = time.monotonic() + 60
    while not watcher.execute(COPYING).fetchall():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends


def _prepare_slow(target: str) -> None:
    """An empty database of this version's shape, into which messages go slowly."""
    schema.upgrade(target)
    with psql(target) as stranger:
        stranger.execute(SLOW)


CHANGES = {
    "UPDATE attendance SET note = note || ' ' WHERE id = 2": "attendance, row 2 is not the same",
    "UPDATE attendance SET latitude = latitude + 1e-15 WHERE id = 1": "row 1 is not the same",
    "UPDATE outbox SET silent = NOT silent WHERE id = 3": "outbox, row 3 is not the same",
    "UPDATE chat SET created_at = created_at + '1us'::interval": "chat, row -7 is not the same",
    "DELETE FROM outbox WHERE id = 6": "outbox, row 6 is missing",
    "DELETE FROM outbox WHERE id = 7": "outbox, row 7 is missing",
    "DELETE FROM client_event WHERE client_event_id = 'a'": "client_event, row 1, a is missing",
    "INSERT INTO turn VALUES ('x', now())": "turn, row x is one too many",
}


def test_the_comparison_finds_what_differs(desk: Desk, target: str) -> None:
    """The control: changes of one byte, one row, one microsecond, one after the other."""
    fill(desk)
    _die_after(desk, "all is copied", target)
    with (
        desk.database() as database,
        database.snapshot() as here,
        Database.upgrading(target, None) as there,
    ):
        for change, found in CHANGES.items():
            with there.begin_nested() as savepoint:
                there.exec_driver_sql(change)
                with pytest.raises(relocation.CannotMove, match=found):
                    compare(here, there, lambda _: None)
                savepoint.rollback()
        assert sum(one.rows for one in compare(here, there, lambda _: None)) > 30


def test_where_it_differs_the_target_is_made_anew(desk: Desk, target: str) -> None:
    fill(desk)
    _die_after(desk, "all is copied", target)
    with psql(target) as stranger:
        stranger.execute("DELETE FROM turn")
    result = desk.run("db", "move", "--to", target)
    assert (result.exit_code, "turn, row pruning is missing" in result.stderr) == (1, True)
    _is_refused(desk, target)

    with psql(target) as admin:
        admin.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    desk.done("db", "move", "--to", target)

    _is_whole(desk, target)


def test_one_that_is_interrupted_goes_to_no_other_place(
    desk: Desk, target: str, postgres_url: str
) -> None:
    _die_after(desk, "the source is closed", target)
    result = desk.run("db", "move", "--to", postgres_url)
    assert result.exit_code == 1
    assert "goes to test_" in result.stderr


def test_one_that_was_given_up_meanwhile_ends_nowhere(
    desk: Desk, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = moving_source.finish

    def given_up(*arguments: Any) -> None:
        desk.done("db", "move", "--cancel")
        finish(*arguments)

    monkeypatch.setattr(moving_source, "finish", given_up)
    result = desk.run("db", "move", "--to", target)

    assert (result.exit_code, "given up" in result.stderr) == (1, True)
    assert "is not complete" in desk.run("serve", DATABASE_URL=target).stderr
    desk.done("keys", "create", "door", "--role", "admin")


def test_two_at_once_are_one(desk: Desk, target: str) -> None:
    fill(desk)
    with (
        desk.running("db", "move", "--to", target) as one,
        desk.running("db", "move", "--to", target) as other,
    ):
        told = [process.communicate(timeout=60) for process in (one, other)]
        assert 0 in (one.returncode, other.returncode), told
    _is_whole(desk, target)  # with one note of the end
