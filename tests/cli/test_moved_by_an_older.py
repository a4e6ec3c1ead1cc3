"""A file that was closed by an older version: only that one reads it, and any opens it again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from commands import ROOT, Desk
from moves import fill

from attendance.db import schema

LATER = """
from alembic import op
from sqlalchemy import Column, Text

revision, down_revision = "later", "{head}"
branch_labels = depends_on = None


def upgrade():
    op.add_column("attendance", Column("mood", Text))
    op.create_table("mood", Column("name", Text, primary_key=True))
"""


@pytest.fixture
def update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on the commands are those of a version with one more migration."""

    def install() -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(ROOT / "migrations", folder)
        later = LATER.format(head=schema.head_revision())
        (folder / "versions" / "later.py").write_text(later)
        monkeypatch.setattr(schema, "_PLACES", (folder,))

    return install


def _leave(desk: Desk, target: str) -> None:
    """A move that stops in the middle."""
    desk.execute("INSERT INTO turn VALUES ('other', 'some day')")
    assert "is closed" in desk.run("db", "move", "--to", target).stderr


def _move(desk: Desk, target: str) -> None:
    desk.done("db", "move", "--to", target)


def _refused(result: Result) -> str:
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.stderr
    return result.stderr


@pytest.mark.parametrize("command", ["audit verify", "keys list", "db move --to {target}"])
@pytest.mark.parametrize("begin", [_leave, _move])
def test_a_later_version_says_who_reads_it_and_how_it_is_opened(
    desk: Desk,
    target: str,
    update: Callable[[], None],
    begin: Callable[[Desk, str], None],
    command: str,
) -> None:
    begin(desk, target)
    update()
    result = desk.run(*command.format(target=target).split())
    told = result.stderr or result.stdout
    assert result.exit_code in {1, 2}
    assert "an older version, which closed it to move it to test_" in told
    assert "`manage.py db move --cancel` opens it again" in told
    assert "db upgrade" not in told


def test_a_later_version_opens_one_that_was_left_in_the_middle(
    desk: Desk, target: str, update: Callable[[], None]
) -> None:
    fill(desk)
    _leave(desk, target)
    before = _kept(desk)
    update()
    assert "--cancel" in _refused(desk.run("db", "upgrade"))

    assert "is open again" in desk.done("db", "move", "--cancel")

    assert _kept(desk) == before
    _is_open_in_the_later_shape(desk)


def test_a_later_version_goes_back_to_one_that_has_moved(
    desk: Desk, target: str, update: Callable[[], None]
) -> None:
    _move(desk, target)
    update()
    assert "has moved to" in _refused(desk.run("db", "upgrade"))
    assert "add --discard" in _refused(desk.run("db", "move", "--cancel"))
    assert "which closed it" in _refused(desk.run("keys", "list"))

    desk.done("db", "move", "--cancel", "--discard")

    _is_open_in_the_later_shape(desk)


def _kept(desk: Desk) -> list[object]:
    return [desk.rows(f"SELECT * FROM {one} ORDER BY id") for one in ("outbox", "outbox_attempt")]  # noqa: S608


def _is_open_in_the_later_shape(desk: Desk) -> None:
    """Its way is in the trail, and nothing more is to be upgraded."""
    desk.done("keys", "create", "another door", "--role", "admin")
    desk.rows("SELECT mood FROM attendance")
    assert "is up to date (later)" in desk.done("db", "upgrade")
    (upgraded,), (reopened,) = desk.audited("db.upgraded"), desk.audited("db.reopened")
    assert json.loads(upgraded["after_json"]) == {"revision": "later"}
    assert upgraded["id"] < reopened["id"]
    assert "The trail is intact." in desk.done("audit", "verify")
