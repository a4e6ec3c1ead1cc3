"""What holds of each command: help with examples, JSON, exit codes, and a sentence on failure."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import click
import pytest
from commands import TOKEN, Desk

from attendance.audit import export
from attendance.cli import main
from attendance.notifications import routing


def _commands(group: click.Group, *above: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        path = (*above, name)
        if isinstance(command, click.Group):
            yield from _commands(command, *path)
        elif not command.hidden:
            yield path, command


COMMANDS = dict(_commands(main))
NEEDS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("keys", "create"): ("door", "--role", "frontend"),
    ("keys", "rotate"): ("door",),
    ("keys", "revoke"): ("door",),
    ("chats", "add"): ("1000",),
    ("chats", "remove"): ("1000",),
    ("chats", "test"): ("1000",),
    ("chats", "pause"): ("1000",),
    ("chats", "resume"): ("1000",),
    ("outbox", "show"): ("1",),
    ("audit", "trace"): ("a-request",),
    ("audit", "prune"): ("--older-than", "1d", "--archive", "old.jsonl"),
    ("outbox", "cancel"): ("1",),
    ("db", "backup"): ("copy.db",),
    ("db", "move"): ("--cancel",),
}
MAKES_A_DATABASE = {("serve",), ("db", "upgrade"), ("sandbox",)}
COULD_NOT_RUN: dict[tuple[str, ...], int] = {("audit", "verify"): 2}
"""Where exit code 1 says something else than that the command was refused."""

LISTS = [path for path in COMMANDS if path[-1] in {"list", "stats", "check", "doctor", "verify"}]


def _id(path: tuple[str, ...]) -> str:
    return " ".join(path)


def test_the_commands_are_those_of_the_contract() -> None:
    assert {_id(path) for path in COMMANDS} == {
        *("serve", "dispatch", "sandbox", "doctor"),
        *("db upgrade", "db check", "db backup", "db move"),
        *("keys create", "keys list", "keys rotate", "keys revoke"),
        *("chats list", "chats add", "chats remove", "chats test", "chats discover"),
        *("chats pause", "chats resume", "outbox watch"),
        *("outbox list", "outbox show", "outbox stats", "outbox retry", "outbox cancel"),
        "outbox purge",
        *("audit list", "audit export", "audit trace"),
        *("audit verify", "audit anchor", "audit prune"),
    }


@pytest.mark.parametrize("path", COMMANDS, ids=_id)
def test_help_says_what_a_command_does_and_shows_how(desk: Desk, path: tuple[str, ...]) -> None:
    text = desk.done(*path, "--help")

    assert COMMANDS[path].help
    assert text.startswith(f"Usage: manage.py {_id(path)}")
    _, _, examples = text.partition("Examples:")
    lines = [line for line in examples.splitlines() if line.strip()]
    assert lines
    typed = re.compile(rf" +([A-Z_]+=\S+ )*manage\.py {_id(path)}( (?!.*manage\.py).*)?")
    assert [line for line in lines if not typed.fullmatch(line)] == []


@pytest.mark.parametrize("path", COMMANDS, ids=_id)
def test_the_options_of_every_example_exist(path: tuple[str, ...]) -> None:
    known = {flag for one in COMMANDS[path].params for flag in one.opts} | {"--"}
    used = {word for word in (COMMANDS[path].epilog or "").split() if word.startswith("--")}

    assert used <= known


@pytest.mark.parametrize("group", [(), ("db",), ("keys",), ("chats",), ("outbox",), ("audit",)])
def test_each_group_lists_its_commands(desk: Desk, group: tuple[str, ...]) -> None:
    text = desk.done(*group, "-h")

    for path in COMMANDS:
        if path[:-1] == group:
            assert path[-1] in text
    assert "tryout" not in text


@pytest.mark.parametrize("path", sorted(COMMANDS.keys() - MAKES_A_DATABASE), ids=_id)
def test_without_a_database_a_command_names_the_path_and_the_variable(
    empty_desk: Desk, path: tuple[str, ...]
) -> None:
    result = empty_desk.run(*path, *NEEDS.get(path, ()))

    assert result.exit_code == COULD_NOT_RUN.get(path, 1)
    assert str(empty_desk.path) in result.output
    assert "DATABASE_URL" in result.output
    assert "manage.py db upgrade" in result.output
    assert list(empty_desk.directory.iterdir()) == []


def test_a_relative_path_is_named_in_full(
    empty_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(empty_desk.directory)

    result = empty_desk.run("outbox", "list", DATABASE_URL="sqlite:///elsewhere.db")

    assert f"{empty_desk.directory}/elsewhere.db" in result.stderr


def test_a_database_that_was_never_upgraded_is_refused(empty_desk: Desk) -> None:
    empty_desk.path.touch(mode=0o600)

    result = empty_desk.run("keys", "list")

    assert result.exit_code == 1
    assert "run `manage.py db upgrade`" in result.stderr


_MIGRATED = (
    "CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('1975');"
)
FOREIGN = {
    "no migrations": "CREATE TABLE song (title TEXT)",
    "our words": "CREATE TABLE attendance (pupil TEXT)",
    "Alembic": f"CREATE TABLE song (title TEXT); {_MIGRATED}",
    "Alembic, and one of our words": f"CREATE TABLE attendance (pupil TEXT); {_MIGRATED}",
    "Alembic with two heads": f"{_MIGRATED} INSERT INTO alembic_version VALUES ('1976')",  # noqa: S608
}


@pytest.mark.parametrize("tables", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("path", sorted(COMMANDS.keys() - {("sandbox",)}), ids=_id)
def test_a_file_of_another_program_is_refused_and_left_as_it_is(
    empty_desk: Desk, path: tuple[str, ...], tables: str
) -> None:
    with closing(sqlite3.connect(empty_desk.path)) as stranger:
        stranger.executescript(tables)
    before = empty_desk.path.read_bytes()

    result = empty_desk.run(*path, *NEEDS.get(path, ()))

    assert result.exit_code == COULD_NOT_RUN.get(path, 1)
    assert (
        f"DATABASE_URL names {empty_desk.path}, which has the tables of another program: "
        "name a database of its own." in result.output
    )
    assert empty_desk.path.read_bytes() == before
    assert list(empty_desk.directory.iterdir()) == [empty_desk.path]


def test_a_file_that_is_no_database_is_refused_in_a_sentence(empty_desk: Desk) -> None:
    empty_desk.path.write_text("this is no database " * 100)

    result = empty_desk.run("keys", "list")

    assert result.exit_code == 1
    assert (
        result.stderr
        == "Error: The database that DATABASE_URL names refused: file is not a database.\n"
    )


@pytest.mark.parametrize("path", LISTS, ids=_id)
def test_json_is_json_also_where_there_is_nothing(desk: Desk, path: tuple[str, ...]) -> None:
    found = json.loads(desk.run(*path, "--json").stdout)

    assert isinstance(found, list | dict)


@pytest.mark.parametrize("path", [path for path in LISTS if path[-1] == "list"], ids=_id)
def test_an_empty_list_says_so_to_a_person(desk: Desk, path: tuple[str, ...]) -> None:
    assert len(desk.done(*path).strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("outbox",),
        ("outbox", "nonsense"),
        ("outbox", "list", "--nonsense"),
        ("outbox", "list", "--status", "lost"),
        ("outbox", "list", "--limit", "0"),
        ("outbox", "show"),
        ("outbox", "show", "x"),
        ("outbox", "show", "0"),
        ("outbox", "show", str(2**63)),
        ("outbox", "retry", "-1"),
        ("outbox", "retry", "--since", "yesterday"),
        ("outbox", "retry", "--since", "2026-11-23T09:00:00"),
        ("outbox", "retry", "--since", "2026-02-30"),
        ("outbox", "retry", "--since", "999999d"),
        ("audit", "list", "--since", "0001-01-01T00:00:00+14:00"),
        ("outbox", "cancel"),
        ("keys", "create", "door"),
        ("keys", "create", "door", "--role", "king"),
        ("keys", "create", "", "--role", "admin"),
        ("keys", "create", "x" * 65, "--role", "admin"),
        ("keys", "create", "17", "--role", "admin"),
        ("keys", "create", "a\nb", "--role", "admin"),
        ("keys", "revoke"),
        ("db", "backup"),
        ("db", "move"),
        ("db", "move", "--to", "postgresql+psycopg://h/a", "--cancel"),
        ("db", "move", "--to", "postgresql+psycopg://h/a", "--discard"),
        ("db", "move", "--to", "sqlite:///elsewhere.db"),
        ("sandbox", "--port", "70000"),
    ],
)
def test_wrong_usage_is_exit_code_2_with_a_word_on_it(
    desk: Desk, arguments: tuple[str, ...]
) -> None:
    result = desk.run(*arguments)

    assert result.exit_code == 2
    assert "Usage: manage.py" in result.stderr
    assert desk.rows("SELECT * FROM api_key") == []


@pytest.mark.parametrize("path", sorted(COMMANDS.keys() - {("sandbox",)}), ids=_id)
def test_a_wrong_setting_is_one_sentence_and_no_success(desk: Desk, path: tuple[str, ...]) -> None:
    result = desk.run(*path, *NEEDS.get(path, ()), DEDUPE_SECONDS="often")

    assert result.exit_code == COULD_NOT_RUN.get(path, 1)
    assert "DEDUPE_SECONDS is 'often': give a number" in result.output


def test_an_argument_that_is_no_text_is_refused_in_a_sentence(desk: Desk) -> None:
    result = desk.run("audit", "list", "--actor", "\udcff")

    assert (result.exit_code, result.stderr) == (1, "Error: An argument is not text in UTF-8.\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("keys", "list"), 0), (("keys", "revoke", "nobody"), 1), (("keys", "nonsense"), 2)],
)
def test_the_exit_codes_are_those_of_the_process(
    desk: Desk, arguments: tuple[str, ...], code: int
) -> None:
    result = desk.process(*arguments)

    assert result.returncode == code
    assert "Traceback" not in result.stderr
    assert bool(result.stderr) is (code != 0)


REFUSED: dict[str, tuple[str, ...]] = {
    "key.created": ("keys", "create", "17", "--role", "admin"),
    "key.rotated": ("keys", "rotate", "nobody"),
    "key.revoked": ("keys", "revoke", "nobody"),
    "chat.removed": ("chats", "remove", "1000"),
    "chat.paused": ("chats", "pause", "1000"),
    "chat.resumed": ("chats", "resume", "1000"),
    "chat.tested": ("chats", "test", "1000"),
    "outbox.retried": ("outbox", "retry", "4711"),
    "outbox.cancelled": ("outbox", "cancel", "4711"),
    "outbox.pruned": ("outbox", "purge", "--older-than", "1m"),
    "audit.exported": ("audit", "export", "/nowhere/trail.csv"),
    "audit.pruned": ("audit", "prune", "--older-than", "0s", "--archive", "/nowhere/old.jsonl"),
    "db.backup": ("db", "backup", "/nowhere/copy.db"),
    "db.moved": ("db", "move", "--to-file", "/nowhere/postgresql.url"),
    "db.reopened": ("db", "move", "--cancel"),
}


@pytest.mark.slow
@pytest.mark.parametrize("action", REFUSED)
def test_a_command_that_refuses_an_act_is_in_the_trail(desk: Desk, action: str) -> None:
    desk.run("audit", "export")
    desk.seal()
    desk.run("audit", "export")
    desk.seal()

    result = desk.run(*REFUSED[action])

    assert result.exit_code in {1, 2}
    entry = desk.audited(action)[-1]
    assert (entry["actor_type"], entry["outcome"]) == ("os_user", "refused")
    assert entry["user_agent"] == " ".join(("manage.py", *REFUSED[action]))
    assert entry["reason"]
    assert len(desk.rows("SELECT * FROM audit WHERE outcome <> 'success'")) == 1


def test_every_command_that_writes_refuses_in_the_trail() -> None:
    """What only reads, what runs the service, and what makes the database itself are the others."""
    acts = {one[:2] for one in REFUSED.values()} | {("chats", "add"), ("db", "upgrade")}
    others = {
        *(("serve",), ("dispatch",), ("sandbox",), ("doctor",), ("db", "check"), ("keys", "list")),
        *(("chats", "list"), ("chats", "discover"), ("outbox", "list"), ("outbox", "show")),
        *(("outbox", "stats"), ("outbox", "watch"), ("audit", "list"), ("audit", "trace")),
        *(("audit", "verify"), ("audit", "anchor")),
    }

    assert acts | others == COMMANDS.keys()
    assert not acts & others


def test_a_command_that_crashes_is_in_the_trail(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "listed", None)

    result = desk.run("chats", "add", "1000")

    assert isinstance(result.exception, TypeError)
    (entry,) = desk.audited("chat.added")
    assert (entry["outcome"], entry["reason"]) == ("crashed", "TypeError")
    assert (entry["target_type"], entry["target_id"]) == ("chat", "1000")


def test_a_reader_that_goes_away_is_no_crash(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> Iterator[str]:
        yield "id"
        raise BrokenPipeError

    monkeypatch.setattr(export, "stream", gone)
    desk.run("audit", "export")

    assert [entry["outcome"] for entry in desk.audited("audit.exported")] == ["success"]


@pytest.mark.slow
def test_a_process_without_a_database_ends_with_a_sentence(empty_desk: Desk) -> None:
    result = empty_desk.process("outbox", "retry", DATABASE_URL="")

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: There is no database at {empty_desk.path}")
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_token_in_the_settings_is_in_no_output(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.directory)
    desk.message("failed", error="blocked by the user")
    environ = {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_CHAT_ID": "1000",
        "TELEGRAM_API_BASE": "http://127.0.0.1:1",
    }
    for path in COMMANDS.keys() - {("serve",), ("dispatch",), ("sandbox",)}:
        result = desk.run(*path, *NEEDS.get(path, ()), **environ)
        assert TOKEN.partition(":")[2] not in result.output + result.stderr, path
