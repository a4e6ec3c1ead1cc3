"""Whatever somebody types, no password of it is in the database afterwards: the trail is sealed."""

import shlex
from collections.abc import Sequence

import pytest
from commands import Desk

from attendance.cli import context

SECRET = "hunter2"
TYPED = (
    ("db", "move", "--to", f"host=h password={SECRET} user=me"),
    ("db", "move", "--to", f"host=h password='a {SECRET}' user=me"),
    ("db", "move", "--to", f"postgresql+psycopg://me:{SECRET}@127.0.0.1:1/a"),
    ("db", "move", "--to", f"postgresql+psycopg://127.0.0.1:1/a?user=me&password={SECRET}"),
    ("db", "move", "--to", f"postgresql://me:a {SECRET}@127.0.0.1:1/a"),
    ("keys", "create", f"password={SECRET}", "--role", "admin"),
    ("keys", "revoke", f"PGPASSWORD={SECRET}"),
    ("keys", "revoke", f"token={SECRET}"),
    ("chats", "pause", "1000", "--reason", f"its password={SECRET} leaked"),
    ("chats", "pause", "1000", "--reason", f"as in --password {SECRET}"),
    ("outbox", "retry", "--reason", f"see https://me:{SECRET}@example.org/a"),
    ("outbox", "cancel", "1", "--reason", f"Password = '{SECRET}' was wrong"),
)


def found(desk: Desk) -> bool:
    """Whether any file beside the database holds it."""
    return any(SECRET.encode() in path.read_bytes() for path in desk.directory.iterdir())


@pytest.mark.parametrize("command", TYPED, ids=" ".join)
def test_a_password_is_in_no_row(desk: Desk, command: Sequence[str]) -> None:
    desk.message("failed")
    desk.run(*command)

    # The name of a key is what its row is about: who calls it by a password has said it.
    if command[:2] == ("keys", "create"):
        assert SECRET not in str(desk.rows("SELECT * FROM audit"))
    else:
        assert not found(desk)


def test_the_control_finds_what_is_written_as_it_was_typed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "command_line", shlex.join)

    desk.run("chats", "pause", "1000", "--reason", f"password={SECRET}")

    assert found(desk)
