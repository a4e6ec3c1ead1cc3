"""No command sends to a terminal what would steer it, whoever wrote that into the database."""

import json
import os
import pty
import subprocess
from collections.abc import Sequence

import pytest
from commands import Desk

from attendance.db import format_utc, utc_now

pytestmark = pytest.mark.slow

NASTY = "a\x1b[2Jb\u009b2Jc\u202ed"
STEERING = ("\x1b", "\u009b", "\u202e")
ON_A_TERMINAL = (
    ("outbox", "list"),
    ("outbox", "list", "--json"),
    ("outbox", "show", "1"),
    ("outbox", "show", "1", "--json"),
    ("outbox", "watch"),
    ("audit", "list"),
    ("audit", "list", "--json"),
    ("audit", "export"),
    ("audit", "export", "--raw"),
    ("audit", "export", "--format", "jsonl"),
    ("audit", "trace", NASTY),
    ("chats", "list"),
    ("chats", "list", "--json"),
    ("outbox", "retry", NASTY),
    (NASTY,),
    (f"--{NASTY}",),
    ("keys", "create", NASTY, "--role", "admin"),
    ("keys", "revoke", NASTY),
    ("keys", "list", NASTY),
)


@pytest.fixture
def nasty_desk(desk: Desk) -> Desk:
    """With such marks wherever a client, a chat or a stranger could have put them."""
    desk.message("failed", error=NASTY)
    desk.execute("UPDATE outbox SET text = ?", NASTY)
    desk.execute("UPDATE chat SET title = ?", NASTY)
    desk.execute(
        "INSERT INTO audit (occurred_at, actor_type, actor_name, action, outcome, reason, "
        "user_agent, target_type, target_id, host, after_json, schema_version) "
        "VALUES (?, 'key', ?, 'chat.paused', 'success', ?, ?, 'chat', ?, 'h', ?, 1)",
        *(format_utc(utc_now()), NASTY, NASTY, NASTY, NASTY, NASTY),
    )
    return desk


def on_a_terminal(desk: Desk, command: Sequence[str]) -> str:
    """What a person's terminal gets, of both streams."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        desk.command(*command),
        cwd=desk.directory,
        env=desk.environment(TERM="xterm"),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        said = b""
        while part := _read(ours):
            said += part
        process.wait(30)
    os.close(ours)
    return said.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how Linux says that nobody writes any more
        return b""


@pytest.mark.parametrize("command", ON_A_TERMINAL, ids=" ".join)
def test_nothing_steers_a_terminal(nasty_desk: Desk, command: tuple[str, ...]) -> None:
    said = on_a_terminal(nasty_desk, command)

    assert "Traceback" not in said
    assert said
    assert [mark for mark in STEERING if mark in said] == []


@pytest.mark.parametrize("command", [one for one in ON_A_TERMINAL if "--json" in one], ids=" ".join)
def test_json_says_the_same_in_a_pipe(nasty_desk: Desk, command: tuple[str, ...]) -> None:
    said = nasty_desk.done(*command)

    assert [mark for mark in STEERING if mark in said] == []
    assert NASTY in json.dumps(json.loads(said), ensure_ascii=False).replace("\\u001b", "\x1b")


def test_a_file_has_the_rows_as_they_are(nasty_desk: Desk) -> None:
    """The control: the export would show the terminal what it shows a pipe."""
    assert NASTY in nasty_desk.done("audit", "export", "--raw")


def test_an_error_that_quotes_what_was_typed_steers_nothing(desk: Desk) -> None:
    result = desk.run("audit", "trace", NASTY)

    assert result.exit_code == 1
    assert "The trail knows no request a\ufffd[2Jb" in result.stderr
