"""`manage.py doctor`: a line for each thing that can be proved, and the remedy where it fails."""

import json
import sqlite3
from collections import namedtuple
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from commands import TOKEN, Desk

from attendance.audit import ANONYMOUS, Context, append
from attendance.audit.sealer import Sealer
from attendance.cli.doctor import storage
from attendance.db import utc_now
from attendance.sandbox import Sandbox

Usage = namedtuple("Usage", ["total", "used", "free"])


def _findings(desk: Desk, code: int, **environ: str) -> dict[str, dict[str, Any]]:
    """What the doctor finds, by subject."""
    result = desk.run("doctor", "--json", **environ)
    found: list[dict[str, Any]] = json.loads(result.stdout)
    assert result.exit_code == code, found
    for one in found:
        assert set(one) == {"state", "subject", "found", "remedy"}
    return {one["subject"]: one for one in found}


@pytest.fixture(scope="module")
def telegram() -> Iterator[Sandbox]:
    with Sandbox(0) as running:
        yield running


@pytest.fixture
def configured(desk: Desk, telegram: Sandbox) -> Desk:
    """A desk at which nothing is wrong."""
    desk.environ |= {
        "TELEGRAM_API_BASE": telegram.url,
        "TELEGRAM_BOT_TOKEN": telegram.token,
        "TELEGRAM_CHAT_ID": "1000",
    }
    desk.path.with_name(f"{desk.path.name}.dispatcher-host-1").touch()
    desk.done("keys", "create", "door", "--role", "frontend")
    return desk


def test_where_all_is_well_every_line_says_so(configured: Desk) -> None:
    found = _findings(configured, 0)

    assert {one["state"] for one in found.values()} == {"ok"}
    assert {one["remedy"] for one in found.values()} == {""}
    assert set(found) == {
        *("settings", "files", "disk", "sqlite", "integrity", "keys", "outbox", "dispatcher"),
        *("telegram", "pace", "chat 1000", "audit"),
    }
    assert "WAL" in found["sqlite"]["found"]
    assert found["telegram"]["found"].startswith("the token is that of @")


def test_a_misspelt_setting_is_told_without_its_value(configured: Desk) -> None:
    found = _findings(configured, 0, OUTBOX_POL_SECONDS="4711")

    assert found["settings"] == {
        "state": "warn",
        "subject": "settings",
        "found": "OUTBOX_POL_SECONDS is no setting",
        "remedy": "write OUTBOX_POLL_SECONDS, or unset it",
    }
    assert "4711" not in str(found)


def test_a_person_gets_a_line_each(configured: Desk) -> None:
    lines = configured.done("doctor").splitlines()

    assert len(lines) == 12
    assert all(line.startswith("ok ") for line in lines)


def test_a_wrong_setting_is_all_that_is_said(desk: Desk) -> None:
    found = _findings(desk, 1, TIMEZONE="Berlin")

    assert list(found) == ["settings"]
    assert "Europe/Berlin" in found["settings"]["found"]


def test_a_missing_database_does_not_hide_the_rest(empty_desk: Desk) -> None:
    found = _findings(empty_desk, 1)

    assert found["database"]["state"] == "fail"
    assert "manage.py db upgrade" in found["database"]["found"]
    assert "telegram" in found


def test_a_file_that_is_no_database_does_not_hide_the_rest(empty_desk: Desk) -> None:
    empty_desk.path.write_text("this is no database " * 100)

    found = _findings(empty_desk, 1)

    assert "file is not a database" in found["database"]["found"]
    assert "restore a backup" in found["database"]["remedy"]
    assert "telegram" in found


@pytest.mark.slow
def test_a_database_that_others_may_read_is_a_warning(configured: Desk) -> None:
    configured.path.chmod(0o644)

    found = _findings(configured, 0)["files"]

    assert (found["state"], found["remedy"]) == ("warn", f"chmod 600 {configured.path}*")


def test_a_group_that_was_asked_for_is_no_warning(configured: Desk) -> None:
    configured.path.chmod(0o660)

    assert _findings(configured, 0, DATABASE_GROUP="auditors")["files"]["state"] == "ok"


def test_a_full_disk_is_a_failure(configured: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(10, 10, 5 * 2**20))

    found = _findings(configured, 1)["disk"]

    assert found["found"] == "5 MiB free"
    assert "free some space" in found["remedy"]


@pytest.mark.slow
def test_a_journal_of_another_kind_is_a_failure(configured: Desk) -> None:
    with closing(sqlite3.connect(configured.path)) as stranger:
        assert stranger.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)

    found = _findings(configured, 1)["sqlite"]

    assert found["found"] == "journal_mode is delete"
    assert "db upgrade" in found["remedy"]
    configured.done("db", "upgrade")
    assert _findings(configured, 0)["sqlite"]["state"] == "ok"


def test_a_broken_reference_is_a_failure(configured: Desk) -> None:
    with closing(sqlite3.connect(configured.path, isolation_level=None)) as stranger:
        stranger.execute(
            "INSERT INTO outbox_attempt (outbox_id, number, token, claimed_by, started_at, "
            "ended_at, outcome) VALUES (4711, 1, 't', 'h', 'x', 'x', 'late')"
        )

    found = _findings(configured, 1)["integrity"]

    assert found["found"].startswith("1 faults, first: ")
    assert "restore a backup" in found["remedy"]


def test_a_trail_that_can_be_changed_is_a_failure(configured: Desk) -> None:
    with closing(sqlite3.connect(configured.path)) as stranger:
        stranger.execute("DROP TRIGGER audit_no_update")

    assert "audit_no_update" in _findings(configured, 1)["integrity"]["found"]


def test_no_key_is_a_warning(configured: Desk) -> None:
    configured.done("keys", "revoke", "door")

    found = _findings(configured, 0)["keys"]

    assert found["state"] == "warn"
    assert found["remedy"].startswith("manage.py keys create")


@pytest.mark.slow
def test_failed_messages_and_parked_chats_are_warnings(configured: Desk) -> None:
    configured.message("failed")
    configured.message("uncertain")
    configured.done("chats", "pause", "1000")

    found = _findings(configured, 0)

    assert found["outbox"]["found"] == "2 failed or uncertain"
    assert "outbox retry" in found["outbox"]["remedy"]
    assert found["chats"]["found"] == "1 paused by an admin"
    assert "chats resume" in found["chats"]["remedy"]


def test_no_dispatcher_is_a_warning(configured: Desk) -> None:
    for beat in configured.directory.glob("*.dispatcher-*"):
        beat.unlink()

    found = _findings(configured, 0)["dispatcher"]

    assert (found["state"], found["remedy"]) == ("warn", "start `manage.py serve` or `dispatch`")


def test_with_the_dispatcher_off_it_is_dispatch_that_is_to_be_started(configured: Desk) -> None:
    for beat in configured.directory.glob("*.dispatcher-*"):
        beat.unlink()

    found = _findings(configured, 0, DISPATCHER="off")["dispatcher"]

    assert (found["found"], found["remedy"]) == (
        "none at work",
        "start `manage.py dispatch`: `serve` delivers nothing with DISPATCHER=off",
    )


def test_without_telegram_messages_wait(desk: Desk) -> None:
    found = _findings(desk, 0)["telegram"]

    assert found["state"] == "warn"
    assert "TELEGRAM_BOT_TOKEN" in found["remedy"]


@pytest.mark.parametrize(
    "environ",
    [
        {"TELEGRAM_BOT_TOKEN": TOKEN},
        {"TELEGRAM_API_BASE": "http://127.0.0.1:1"},
    ],
)
def test_a_bot_that_telegram_refuses_or_that_cannot_reach_it_is_a_failure(
    configured: Desk, environ: dict[str, str]
) -> None:
    found = _findings(configured, 1, **environ)["telegram"]

    assert "TELEGRAM_BOT_TOKEN" in found["remedy"]
    assert found["found"]
    assert TOKEN.partition(":")[2] not in str(found)


@pytest.mark.parametrize(
    ("version", "at_fault"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_the_versions_of_sqlite_that_can_corrupt_a_wal(
    version: tuple[int, ...], *, at_fault: bool
) -> None:
    assert storage._has_wal_reset_fault(version) is at_fault


@pytest.mark.slow
def test_a_trail_that_nobody_seals_is_warned_of(configured: Desk) -> None:
    an_hour_ago = utc_now() - timedelta(hours=1)
    configured.write(lambda c: append(c, an_hour_ago, Context(ANONYMOUS), "test.happened"))
    found = _findings(configured, 0)["audit"]

    assert found["state"] == "warn"
    assert found["found"].startswith("2 rows wait for their seal, the oldest for 36")
    assert "manage.py serve" in found["remedy"]

    with configured.database() as database:
        Sealer(database, utc_now, None).finish()
    found = _findings(configured, 0)["audit"]
    assert (found["state"], found["found"][:12]) == ("ok", "0 rows wait ")


def test_a_socket_whose_proxy_is_not_believed_is_named(configured: Desk) -> None:
    found = _findings(configured, 0, TRUSTED_PROXIES="")

    assert found["proxies"]["state"] == "warn"
    assert "TRUSTED_PROXIES=unix" in found["proxies"]["remedy"]
