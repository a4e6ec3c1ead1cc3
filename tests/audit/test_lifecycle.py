"""Start and stop in the trail, and the sealing in between: in the real processes."""

import json
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from service_process import Process, wait_until
from trails import NINE

from attendance.api_keys import Uses
from attendance.audit import ANONYMOUS
from attendance.audit.sealer import Sealer
from attendance.audit.throttle import Kind, Throttle, write_repeated
from attendance.config import Settings
from attendance.db import Database, SqliteDatabase, Unavailable
from attendance.maintenance import tasks
from attendance.maintenance.lifecycle import Lifecycle, ProcessParts, Task, configuration_hash
from attendance.maintenance.pruner import Pruner
from attendance.worker import Running, create_lifecycle

MINUTE = timedelta(minutes=1)
STRANGER = Kind("attendance.recorded", 401, "unauthenticated", ANONYMOUS, "192.0.2.7")
TELEGRAM = {
    "TELEGRAM_BOT_TOKEN": "123456789:AAE-notARealTokenOfAnyBot-0123456789",
    "TELEGRAM_CHAT_ID": "1000",
    "TELEGRAM_API_BASE": "http://127.0.0.1:1",
}


def parts_of(database: SqliteDatabase, part: str = "worker") -> ProcessParts:
    return ProcessParts(
        part=part,
        settings=Settings.from_env({}),
        database=database,
        clock=lambda: NINE,
        throttle=Throttle(),
    )


def rows(path: Path, query: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


@pytest.mark.slow
@pytest.mark.parametrize("telegram", [{}, TELEGRAM], ids=["unconfigured", "configured"])
def test_a_service_notes_its_start_and_stop_and_seals_them(
    tmp_path: Path, telegram: dict[str, str]
) -> None:
    with Process(tmp_path, "serve", WEB_CONCURRENCY="2", **telegram) as service:
        service.await_ready()
        wait_until(lambda: rows(service.database, "SELECT 1 FROM audit_seal"))
        service.terminate()

    noted = rows(service.database, "SELECT * FROM audit WHERE action LIKE 'service.%'")
    assert sorted(row["action"] for row in noted) == [
        *("service.started", "service.started", "service.stopped", "service.stopped")
    ]
    after = [json.loads(row["after_json"]) for row in noted]
    assert len({one["configuration"] for one in after}) == 1
    assert len({one["pid"] for one in after}) == 2
    [counts] = rows(
        service.database,
        "SELECT (SELECT count(*) FROM audit) AS rows, (SELECT count(*) FROM audit_leaf) AS leaves",
    )
    assert counts["rows"] == counts["leaves"]


@pytest.mark.slow
def test_a_service_without_a_dispatcher_leaves_the_sealing_to_others(tmp_path: Path) -> None:
    with Process(tmp_path, "serve", DISPATCHER="off", WEB_CONCURRENCY="1") as service:
        service.await_ready()
        service.terminate()

    assert len(rows(service.database, "SELECT * FROM audit WHERE action LIKE 'service.%'")) == 2
    assert rows(service.database, "SELECT * FROM audit_seal") == []


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["on", "off"])
def test_a_dispatcher_alone_does_the_same(tmp_path: Path, database_url: str, setting: str) -> None:
    """Beside a service with DISPATCHER=off, whose settings it may share."""
    environ = {**TELEGRAM, "DATABASE_URL": database_url, "DISPATCHER": setting}
    with Process(tmp_path, "dispatch", **environ) as dispatcher:
        wait_until(lambda: rows(dispatcher.database, "SELECT 1 FROM audit_seal"))
        dispatcher.terminate()

    query = "SELECT actor_id, action FROM audit JOIN audit_leaf ON audit_id = audit.id ORDER BY seq"
    assert [tuple(row.values()) for row in rows(dispatcher.database, query)] == [
        ("dispatcher", "service.started"),
        ("dispatcher", "service.stopped"),
    ]


def test_a_database_that_cannot_be_written_keeps_nothing_from_starting(
    database: SqliteDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    lifecycle = Lifecycle(parts_of(database))
    with closing(sqlite3.connect(database.path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        lifecycle.note_start()
        stranger.execute("ROLLBACK")

    assert "Not in the audit trail: service.started" in caplog.text


def test_a_database_that_is_broken_keeps_nothing_from_starting(
    database: SqliteDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(database.path)) as stranger, stranger:
        stranger.execute("ALTER TABLE audit RENAME TO elsewhere")
    Lifecycle(parts_of(database)).note_start()

    assert "Not in the audit trail: service.started" in caplog.text


def test_refusals_that_could_not_be_written_are_counted_on(database: SqliteDatabase) -> None:
    refusals, clock = Throttle(), iter([NINE + MINUTE, NINE + 2 * MINUTE])
    for _ in range(15):
        refusals.admit(NINE, STRANGER)
    write = partial(write_repeated, database, lambda: next(clock), refusals)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(database), "write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write()
    write()

    [row] = rows(database.path, "SELECT reason FROM audit")
    assert row["reason"] == "5 more like those before"


@pytest.fixture
def lifecycle(database: SqliteDatabase) -> Lifecycle:
    parts = parts_of(database, "dispatcher")
    return Lifecycle(parts, tasks.own_tasks(parts))


FAILED = "SELECT * FROM audit WHERE action = 'service.failed' ORDER BY id"


def test_what_fails_is_a_row_that_says_no_more_than_the_error_s_name(
    database: SqliteDatabase, lifecycle: Lifecycle
) -> None:
    lifecycle.note_failure("round", LookupError("a secret"))

    [row] = rows(database.path, FAILED)
    assert (row["actor_id"], row["outcome"], row["reason"]) == ("dispatcher", "crashed", None)
    after = json.loads(row["after_json"])
    assert after.pop("pid")
    assert after == {"status": 500, "code": "round", "error": "LookupError"}


def test_what_fails_for_ever_fills_no_disk(database: SqliteDatabase, lifecycle: Lifecycle) -> None:
    for _ in range(1000):
        lifecycle.note_failure("round", LookupError())
    lifecycle.finish()

    found = rows(database.path, FAILED)
    assert len(found) == 11
    assert found[-1]["reason"] == "990 more like those before"


@pytest.mark.parametrize(
    ("error", "outcome"), [(Unavailable(), "refused"), (LookupError(), "crashed")]
)
def test_what_fails_while_nothing_can_be_written_is_told_afterwards(
    database: SqliteDatabase, lifecycle: Lifecycle, error: Exception, outcome: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(database), "write", lambda *_: 1 / 0)
        lifecycle.note_failure("task", error)
    assert rows(database.path, FAILED) == []
    lifecycle.finish()

    [row] = rows(database.path, FAILED)
    assert (row["outcome"], json.loads(row["after_json"])["repeated"]) == (outcome, 1)


def test_the_end_of_a_thread_is_a_row(database: SqliteDatabase, lifecycle: Lifecycle) -> None:
    class Ending(Lifecycle):
        def run(self) -> None:
            raise LookupError

    ending = Ending(parts_of(database))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", lambda _: None)
        Running.start(ending, lifecycle.note_failure).stop(1)

    [row] = rows(database.path, FAILED)
    assert json.loads(row["after_json"])["code"] == "thread"


@pytest.mark.slow
def test_a_dispatcher_whose_rounds_fail_says_so_in_the_trail(
    tmp_path: Path, database_url: str
) -> None:
    with Process(tmp_path, "dispatch", **TELEGRAM, DATABASE_URL=database_url) as dispatcher:
        path = dispatcher.database
        wait_until(lambda: rows(path, "SELECT 1 FROM audit_seal"))
        with closing(sqlite3.connect(path)) as stranger:
            stranger.execute("ALTER TABLE outbox_stoppage RENAME TO elsewhere")
        wait_until(lambda: rows(path, FAILED))
        dispatcher.terminate()

    failed = rows(path, FAILED)
    assert {row["outcome"] for row in failed} == {"crashed"}
    assert "OperationalError" in {json.loads(row["after_json"]).get("error") for row in failed}
    [sealed] = rows(path, "SELECT count(*) AS n FROM audit_leaf")
    [written] = rows(path, "SELECT count(*) AS n FROM audit")
    assert sealed == written


@pytest.mark.parametrize("part", ["worker", "dispatcher"])
def test_what_is_done_for_all_is_left_to_those_who_deliver(
    database: SqliteDatabase, part: str
) -> None:
    settings = Settings.from_env({"DISPATCHER": "off"})
    lifecycle = create_lifecycle(part, settings, database, Throttle())
    kinds = [type(task.run) for task in lifecycle.tasks]
    for done_for_all in (Sealer, Pruner):
        assert (done_for_all in kinds) is (part == "dispatcher")


def test_a_service_without_a_bot_seals_and_prunes_all_the_same(database: SqliteDatabase) -> None:
    lifecycle = create_lifecycle("worker", Settings.from_env({}), database, Throttle())
    assert {Sealer, Pruner} <= {type(task.run) for task in lifecycle.tasks}


@pytest.mark.slow
@pytest.mark.parametrize("dispatcher", ["on", "off"])
def test_the_key_of_one_who_only_reads_is_seen_to_be_in_use(
    tmp_path: Path, dispatcher: str
) -> None:
    used = "SELECT 1 FROM api_key WHERE last_used_at IS NOT NULL"
    with Process(tmp_path, "serve", DISPATCHER=dispatcher, WEB_CONCURRENCY="1") as service:
        service.await_ready()
        key = service.run("keys", "create", "ines", "--role", "auditor").stdout.split()[-1]
        assert rows(service.database, used) == []
        address = f"http://127.0.0.1:{service.port}/audit"
        assert requests.get(address, headers={"Authorization": f"Bearer {key}"}, timeout=10).ok
        wait_until(lambda: rows(service.database, used))


def test_a_task_that_fails_stops_no_other_and_is_a_chore_in_the_trail(
    database: SqliteDatabase,
) -> None:
    """Auditors filter by that code."""
    done: list[str] = []

    def end() -> None:
        done.append("second")
        process.stop(0)

    process = Lifecycle(parts_of(database), (Task(lambda: 1 / 0), Task(end)))
    process.run()

    assert done == ["second"]
    [row] = rows(database.path, FAILED)
    assert json.loads(row["after_json"])["code"] == "chore"


def test_at_the_stop_own_tasks_come_before_the_note_and_shared_ones_after_it(
    database: SqliteDatabase,
) -> None:
    noted: list[int] = []

    def look() -> None:
        noted.append(len(rows(database.path, "SELECT 1 FROM audit")))

    looking = Task(lambda: None, at_stop=look)
    Lifecycle(parts_of(database), (looking,), (looking,)).finish()

    assert noted == [0, 1]


def test_the_uses_of_keys_are_stored_once_more_at_the_stop(database: SqliteDatabase) -> None:
    written: list[Database] = []

    class RecordingUses(Uses):
        def write(self, database: Database) -> None:
            written.append(database)

    settings = Settings.from_env({"DISPATCHER": "off"})
    create_lifecycle("worker", settings, database, Throttle(), RecordingUses()).finish()

    assert written == [database]


CHANGED = {"TIMEZONE": "Europe/Berlin", "SECRET_KEY": "a-secret-of-some-length"}


@pytest.mark.parametrize("variable", CHANGED)
def test_another_configuration_has_another_hash(variable: str) -> None:
    plain = configuration_hash(Settings.from_env({}))

    assert configuration_hash(Settings.from_env({})) == plain
    assert configuration_hash(Settings.from_env({variable: CHANGED[variable]})) != plain


@pytest.mark.parametrize(
    ("variable", "one", "other"),
    [
        ("SECRET_KEY", "a-secret-of-some-length", "another-secret-of-some-length"),
        ("DATABASE_URL", "postgresql+psycopg://u:one@h/d", "postgresql+psycopg://u:two@h/d"),
    ],
)
def test_the_hash_tells_nothing_of_a_secret(variable: str, one: str, other: str) -> None:
    hashes = {configuration_hash(Settings.from_env({variable: text})) for text in (one, other)}

    assert len(hashes) == 1
