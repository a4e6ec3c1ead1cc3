"""`manage.py audit verify` and `anchor`: exit codes, words, and what a program reads."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from commands import Desk

from attendance.audit.sealer import Sealer
from attendance.config.secrets import Secret
from attendance.db import utc_now

pytestmark = pytest.mark.slow

pytestmark = pytest.mark.slow

SIGNED = {"AUDIT_HMAC_KEY": "a-key-that-is-kept-elsewhere"}


def seal(desk: Desk, key: str | None = None) -> None:
    with desk.database() as database:
        Sealer(database, utc_now, Secret(key) if key else None).finish()


def tamper(desk: Desk, statement: str) -> None:
    with closing(sqlite3.connect(desk.path, isolation_level=None)) as connection:
        for table in ("audit", "audit_leaf", "audit_seal"):
            for guard in ("no_update", "no_delete"):
                connection.execute(f"DROP TRIGGER IF EXISTS {table}_{guard}")
        connection.execute(statement)


@pytest.fixture
def sealed(desk: Desk) -> Desk:
    """Three acts under one seal."""
    for name in ("door", "gate", "roof"):
        desk.done("keys", "create", name, "--role", "frontend")
    seal(desk)
    return desk


def test_a_trail_that_nobody_touched_is_intact(sealed: Desk) -> None:
    sealed.done("keys", "revoke", "roof")

    assert sealed.done("audit", "verify").splitlines() == [
        "3 rows under 1 seal recomputed.",
        "Rows not sealed yet: 1.",
        "The trail is intact.",
    ]


def test_what_was_changed_is_named_and_exit_code_1(sealed: Desk) -> None:
    tamper(sealed, "UPDATE audit SET actor_name = 'mallory' WHERE id = 2")

    result = sealed.run("audit", "verify")

    assert result.exit_code == 1
    assert "row_modified: row 2 (leaf 2, seal 1) is not what was sealed" in result.stdout
    assert result.stdout.endswith("The trail was tampered with: row_modified.\n")


def test_a_program_reads_the_same(sealed: Desk) -> None:
    assert json.loads(sealed.done("audit", "verify", "--json"))["intact"] is True
    tamper(sealed, "DELETE FROM audit WHERE id = 2")

    result = sealed.run("audit", "verify", "--json")

    report = json.loads(result.stdout)
    assert (result.exit_code, report["intact"], report["rows"]) == (1, False, 3)
    assert report["counts"] == {"row_missing": 1}
    assert report["findings"][0]["name"] == "row_missing"


def test_an_anchor_shows_that_the_end_was_cut_off(sealed: Desk) -> None:
    head = sealed.directory / "head.txt"
    head.write_text(sealed.done("audit", "anchor"))
    assert "Anchors that fit: 1;" in sealed.done("audit", "verify", "--anchor", str(head))
    tamper(sealed, "DELETE FROM audit_seal")
    tamper(sealed, "DELETE FROM audit_leaf")
    tamper(sealed, "DELETE FROM audit WHERE id > 1")
    seal(sealed)

    assert sealed.run("audit", "verify").exit_code == 0  # the control: a chain alone is silent
    result = sealed.run("audit", "verify", "--anchor", str(head))
    assert result.exit_code == 1
    assert "truncated: an anchor has 3 rows sealed, and here are 1" in result.stdout


def test_anchors_are_added_to_a_file(sealed: Desk) -> None:
    head = sealed.directory / "head.txt"
    sealed.done("audit", "anchor", str(head))
    sealed.done("keys", "revoke", "roof")
    seal(sealed)
    sealed.done("audit", "anchor", str(head))

    assert len(re.findall("^attendance-audit/", head.read_text(), re.MULTILINE)) == 2
    assert "Anchors that fit: 2;" in sealed.done("audit", "verify", "--anchor", str(head))


def test_before_the_first_seal_there_is_nothing_to_anchor(desk: Desk) -> None:
    result = desk.run("audit", "anchor")

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: Nothing is sealed yet")


def test_with_since_older_seals_are_not_looked_at(sealed: Desk) -> None:
    sealed.done("keys", "revoke", "roof")
    seal(sealed)
    tamper(sealed, "UPDATE audit SET actor_name = 'mallory' WHERE id = 1")

    assert "1 row under 1 seal " in sealed.done("audit", "verify", "--since", "2")
    assert sealed.run("audit", "verify", "--since", "1").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "9"), "There is no seal 9."),
        (("--anchor", "nowhere.txt"), "nowhere.txt cannot be read"),
        (("--anchor", "empty.txt"), "empty.txt holds no checkpoint"),
    ],
)
def test_what_cannot_be_verified_is_exit_code_2(
    sealed: Desk, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(sealed.directory)
    Path("empty.txt").write_text("nothing of the kind\n")

    result = sealed.run("audit", "verify", *arguments)

    assert result.exit_code == 2
    assert said in result.stderr


def test_a_key_that_signed_nothing_is_said_to_be_so(sealed: Desk) -> None:
    result = sealed.run("audit", "verify", **SIGNED)

    assert result.exit_code == 1
    assert "mac_invalid: seal 1, the newest, was not signed" in result.stdout


def test_another_key_signs_what_is_sealed_from_then_on(desk: Desk) -> None:
    """As FORMAT.md says: with its first seal the new key speaks for all before."""
    for name, key in (("door", "the-old-key-of-16"), ("gate", "the-new-key-of-16")):
        desk.done("keys", "create", name, "--role", "frontend")
        seal(desk, key)
    new, old = (
        desk.run("audit", "verify", AUDIT_HMAC_KEY=f"the-{age}-key-of-16") for age in ("new", "old")
    )

    assert (new.exit_code, old.exit_code) == (0, 1)
    assert "Signatures of a key that is not AUDIT_HMAC_KEY here: 1." in new.stdout
    assert "mac_invalid: seal 2, the newest, was not signed with this" in old.stdout


def test_a_progress_bar_is_only_for_a_terminal(sealed: Desk) -> None:
    assert sealed.run("audit", "verify").stderr == ""
