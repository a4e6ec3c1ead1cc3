"""`manage.py keys`: a key is shown once, works at once, and ends at once."""

import hashlib
import json
import os
import pwd
from contextlib import closing

import pytest
from commands import Desk

from attendance.app import create_app
from attendance.config import Settings
from attendance.db import Database


def _status(desk: Desk, key: str) -> int:
    """What the API answers to one who records with this key."""
    app = create_app(Settings.from_env(desk.environ))
    database: Database = app.extensions["attendance"].database
    with closing(database):
        answer = app.test_client().post(
            "/attendance",
            json={"person_id": "ada", "event": "late"},
            headers={"Authorization": f"Bearer {key}"},
        )
    return answer.status_code


def _create(desk: Desk, name: str = "door", role: str = "frontend") -> str:
    return desk.done("keys", "create", name, "--role", role).splitlines()[-1]


def test_the_key_stands_alone_on_the_last_line(desk: Desk) -> None:
    result = desk.run("keys", "create", "door", "--role", "frontend")

    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1
    assert result.stdout.startswith("att_")
    assert " " not in result.stdout
    assert "shown once" in result.stderr


@pytest.mark.slow
def test_the_process_prints_the_key_alone_on_standard_output(desk: Desk) -> None:
    result = desk.process("keys", "create", "door", "--role", "frontend")

    assert result.returncode == 0
    assert _status(desk, result.stdout.strip()) == 201


def test_in_json_the_key_has_its_name_and_role(desk: Desk) -> None:
    found = desk.json("keys", "create", "door", "--role", "admin")

    assert found["key"].startswith("att_")
    assert (found["name"], found["role"]) == ("door", "admin")


@pytest.mark.parametrize(("role", "status"), [("frontend", 201), ("admin", 201), ("auditor", 403)])
def test_a_new_key_works_with_its_role(desk: Desk, role: str, status: int) -> None:
    assert _status(desk, _create(desk, role=role)) == status


def test_a_key_is_kept_as_its_hash(desk: Desk) -> None:
    key = _create(desk)

    (row,) = desk.rows("SELECT * FROM api_key")
    assert row["key_hash"] == hashlib.sha256(key.encode()).hexdigest()
    assert key not in str([desk.rows("SELECT * FROM audit"), row])
    assert key.encode() not in desk.path.read_bytes()


def _is_ines(uid: int) -> pwd.struct_passwd:
    return pwd.struct_passwd(("ines", "x", uid, uid, "", "/", "/bin/sh"))


def test_making_a_key_is_audited_with_the_os_user(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pwd, "getpwuid", _is_ines)
    monkeypatch.setenv("LOGNAME", "somebody-else")  # which anybody can say
    monkeypatch.delenv("SUDO_USER", raising=False)

    _create(desk)

    (entry,) = desk.audited("key.created")
    assert (entry["actor_type"], entry["actor_name"]) == ("os_user", "ines")
    assert json.loads(entry["after_json"]) == {"name": "door", "role": "frontend"}


def test_whoever_only_says_to_be_behind_sudo_is_not_named(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where sudo is an ancestor: test_sudo.py."""
    monkeypatch.setattr(pwd, "getpwuid", _is_ines)
    monkeypatch.setenv("SUDO_USER", "ada")

    _create(desk)

    assert desk.audited("key.created")[0]["actor_name"] == "ines"


def test_a_user_without_a_name_is_a_number(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that is run with an id of its own."""
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    monkeypatch.delenv("SUDO_USER", raising=False)

    _create(desk)

    entry = desk.audited("key.created")[0]
    assert (entry["actor_id"], entry["actor_name"]) == ("4000000", None)


def test_a_name_is_unique_among_live_keys(desk: Desk) -> None:
    _create(desk)

    result = desk.run("keys", "create", "door", "--role", "admin")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "choose another name, or `keys rotate door`" in result.stderr
    assert len(desk.rows("SELECT * FROM api_key")) == 1


@pytest.mark.slow
def test_a_revoked_key_s_name_is_free_again(desk: Desk) -> None:
    first = _create(desk)
    desk.done("keys", "revoke", "door")

    second = _create(desk)

    assert first != second
    assert (_status(desk, first), _status(desk, second)) == (401, 201)


@pytest.mark.slow
@pytest.mark.parametrize("name_or_id", ["door", "1"])
def test_a_key_is_revoked_by_name_or_id(desk: Desk, name_or_id: str) -> None:
    key = _create(desk)
    _create(desk, "other")

    assert desk.done("keys", "revoke", name_or_id) == f"The key {name_or_id} is revoked.\n"

    assert _status(desk, key) == 401
    assert [row["revoked_at"] is None for row in desk.json("keys", "list")] == [False, True]
    assert desk.audited("key.revoked")[0]["target_id"] == "1"


@pytest.mark.slow
@pytest.mark.parametrize("name_or_id", ["door", "1"])
def test_a_key_is_rotated_by_name_or_id(desk: Desk, name_or_id: str) -> None:
    old = _create(desk)

    new = desk.done("keys", "rotate", name_or_id).splitlines()[-1]

    assert (_status(desk, old), _status(desk, new)) == (401, 201)
    first, second = desk.rows("SELECT * FROM api_key ORDER BY id")
    assert (second["name"], second["role"]) == ("door", "frontend")
    assert second["lineage"] == first["lineage"] == first["id"]
    assert len(desk.audited("key.rotated")) == 1


def test_a_rotated_key_is_in_json_too(desk: Desk) -> None:
    _create(desk)

    assert _status(desk, desk.json("keys", "rotate", "door")["key"]) == 201


@pytest.mark.parametrize("action", ["rotate", "revoke"])
@pytest.mark.parametrize("name", ["nobody", "2", "9" * 30, "\u0661", ""])
def test_a_key_that_there_is_not_is_said_to_be_none(desk: Desk, action: str, name: str) -> None:
    _create(desk)

    result = desk.run("keys", action, name)

    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: There is no live key {name}: `manage.py keys list` shows them.\n"
    )
    assert desk.rows("SELECT * FROM api_key WHERE revoked_at IS NOT NULL") == []


@pytest.mark.parametrize("action", ["rotate", "revoke"])
@pytest.mark.parametrize(
    ("asked", "noted"),
    [("nobody", "nobody"), ("2", "2"), ("9" * 99, "9" * 64), ("att_" + "k" * 43, "[secret]")],
)
def test_a_refusal_notes_which_key_was_asked_for(
    desk: Desk, action: str, asked: str, noted: str
) -> None:
    desk.run("keys", action, asked)

    (entry,) = desk.audited(f"key.{action}d")
    assert (entry["outcome"], entry["target_type"]) == ("refused", "api_key")
    assert entry["target_id"] == noted


@pytest.mark.slow
def test_a_revoked_key_cannot_be_revoked_again(desk: Desk) -> None:
    _create(desk)
    desk.done("keys", "revoke", "door")

    assert desk.run("keys", "revoke", "door").exit_code == 1
    assert desk.run("keys", "rotate", "1").exit_code == 1


@pytest.mark.slow
def test_the_list_shows_all_keys_and_no_hash(desk: Desk) -> None:
    _create(desk, "door")
    _create(desk, "ines", "auditor")
    desk.done("keys", "revoke", "door")

    table, rows = desk.done("keys", "list"), desk.json("keys", "list")

    assert [(row["name"], row["role"]) for row in rows] == [
        ("door", "frontend"),
        ("ines", "auditor"),
    ]
    assert table.splitlines()[0].split() == [
        *("ID", "NAME", "ROLE", "CREATED", "LAST", "USED", "REVOKED")
    ]
    for row in desk.rows("SELECT key_hash FROM api_key"):
        assert row["key_hash"] not in table + str(rows)
