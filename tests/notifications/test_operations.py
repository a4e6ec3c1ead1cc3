"""What people do to messages and chats: the act and its audit row, both or neither."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, text

from attendance.audit import Actor, Context
from attendance.db import Database
from attendance.notifications import left_alone, operations, routing
from attendance.notifications.routing import EVERYTHING, Conditions
from attendance.outbox import lanes
from attendance.outbox.admin import Filter
from attendance.outbox.queue import Draft, enqueue

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
INES = Context(Actor("api_key", "7", "ines"), request_id="a-request", source_ip="10.0.0.7")
HQ = Conditions(site="HQ")

Act = Callable[[Connection], Any]


def _rows(database: Database, query: str) -> list[dict[str, Any]]:
    with database.snapshot() as connection:
        return [dict(row) for row in connection.execute(text(query)).mappings()]


def _audited(database: Database) -> list[dict[str, Any]]:
    return _rows(database, "SELECT * FROM audit ORDER BY id")


def _message(database: Database, status: str = "pending") -> int:
    """Put a message of this status into the outbox; its id."""
    message_id = database.write(lambda c: enqueue(c, NOW, Draft("1000", "a text", "test")))
    if status != "pending":
        at = "2026-11-23T12:00:00.000000Z"
        settled = {"id": message_id, "status": status, "at": at}
        settled["sent_at"] = at if status == "sent" else None
        change = "UPDATE outbox SET status=:status, settled_at=:at, sent_at=:sent_at WHERE id=:id"
        database.write(lambda c: c.execute(text(change), settled))
    return message_id


def _prepare(database: Database) -> None:
    """A failed message 1, and a chat that is told of everything."""
    _message(database, "failed")
    database.write(lambda c: lanes.open_lane(c, NOW, "2000"))
    database.write(lambda c: routing.add(c, NOW, "2000", None, [EVERYTHING]))


ACTS: dict[str, Act] = {
    "outbox.retried": lambda c: operations.retry(c, NOW, INES, Filter(), "again"),
    "outbox.cancelled": lambda c: operations.cancel(c, NOW, INES, [1], "by mail"),
    "chat.paused": lambda c: operations.pause(c, NOW, INES, "2000", "holidays"),
    "chat.resumed": lambda c: operations.resume(c, NOW, INES, "2000"),
    "chat.added": lambda c: operations.add(c, NOW, INES, "2000", None, [HQ], {"title": "Office"}),
    "chat.removed": lambda c: operations.remove(c, NOW, INES, "2000", {}),
}
TARGETS = {"outbox": ("outbox", "1"), "chat": ("chat", "2000")}


@pytest.mark.parametrize("action", ACTS)
def test_an_act_has_one_row_in_the_trail_under_whoever_acts(
    database: Database, action: str
) -> None:
    _prepare(database)

    database.write(ACTS[action])

    (row,) = _audited(database)
    assert (row["action"], row["outcome"]) == (action, "success")
    assert (row["actor_type"], row["actor_id"], row["actor_name"]) == ("api_key", "7", "ines")
    assert (row["request_id"], row["source_ip"]) == ("a-request", "10.0.0.7")
    assert (row["target_type"], row["target_id"]) == TARGETS[action.partition(".")[0]]


@pytest.mark.parametrize("action", ACTS)
def test_an_act_that_is_rolled_back_leaves_neither_a_change_nor_a_row(
    database: Database, action: str
) -> None:
    _prepare(database)
    tables = ("outbox", "chat", "route", "audit")
    before = [_rows(database, f"SELECT * FROM {table}") for table in tables]  # noqa: S608

    def fail(connection: Connection) -> None:
        ACTS[action](connection)
        raise LookupError

    with pytest.raises(LookupError):
        database.write(fail)

    after = [_rows(database, f"SELECT * FROM {table}") for table in tables]  # noqa: S608
    assert after == before


@pytest.mark.parametrize("audit_refused", [True, False])
def test_what_a_retry_leaves_alone_is_audited_where_the_caller_does_not(
    database: Database, *, audit_refused: bool
) -> None:
    sent, failed = _message(database, "sent"), _message(database, "failed")
    chosen = Filter(ids=[sent, failed, 4711])

    changes = database.write(
        lambda c: operations.retry(c, NOW, INES, chosen, "again", audit_refused=audit_refused)
    )

    assert (changes.before, changes.refused) == ({failed: "failed"}, {sent: "sent", 4711: None})
    refused = [
        (str(sent), "refused", "It is sent."),
        ("4711", "refused", "There is no such message."),
    ]
    assert [(row["target_id"], row["outcome"], row["reason"]) for row in _audited(database)] == [
        (str(failed), "success", "again"),
        *(refused if audit_refused else []),
    ]


@pytest.mark.parametrize("audit_refused", [True, False])
def test_what_a_cancellation_leaves_alone_is_audited_where_the_caller_does_not(
    database: Database, *, audit_refused: bool
) -> None:
    sent = _message(database, "sent")

    database.write(
        lambda c: operations.cancel(c, NOW, INES, [sent], None, audit_refused=audit_refused)
    )

    assert [row["outcome"] for row in _audited(database)] == ["refused"] * audit_refused


def test_a_dry_run_changes_and_audits_nothing(database: Database) -> None:
    failed = _message(database, "failed")

    changes = database.write(
        lambda c: operations.retry(c, NOW, INES, Filter(ids=[failed, 4711]), None, dry_run=True)
    )

    assert changes.before == {failed: "failed"}
    assert _rows(database, "SELECT status FROM outbox") == [{"status": "failed"}]
    assert _audited(database) == []


def test_a_retry_into_a_paused_chat_says_what_to_resume(database: Database) -> None:
    failed = _message(database, "failed")
    database.write(lambda c: operations.pause(c, NOW, INES, "1000", "holidays"))
    changes = database.write(lambda c: operations.retry(c, NOW, INES, Filter(ids=[failed]), None))

    with database.snapshot() as connection:
        said = operations.chats_to_resume(connection, changes)

    assert said == ["The chat 1000 is paused: `manage.py chats resume -- 1000`."]


def test_a_chat_that_nobody_knows_is_neither_paused_nor_resumed(database: Database) -> None:
    assert not database.write(lambda c: operations.pause(c, NOW, INES, "4711", "holidays"))
    assert not database.write(lambda c: operations.resume(c, NOW, INES, "4711"))
    assert _audited(database) == []


def test_adding_says_in_words_what_a_chat_is_told_of_now(database: Database) -> None:
    late = Conditions(group="Engines", event="late")
    add = operations.add
    first = database.write(lambda c: add(c, NOW, INES, "2000", None, [EVERYTHING], {}))
    second = database.write(lambda c: add(c, NOW, INES, "2000", None, [HQ], {"silent": True}))
    third = database.write(lambda c: add(c, NOW, INES, "2000", 5, [late], {}))

    assert (first.routes, first.narrowed) == (["everything"], False)
    assert (second.routes, second.narrowed) == (["site HQ"], True)
    assert third.routes == ["site HQ", "group Engines, late (topic 5)"]
    assert [json.loads(row["after_json"]) for row in _audited(database)] == [
        {"routes": ["everything"]},
        {"routes": ["site HQ"], "silent": True},
        {"routes": ["site HQ", "group Engines, late (topic 5)"]},
    ]


def test_adding_what_is_there_or_removing_what_is_not_is_not_audited(database: Database) -> None:
    database.write(lambda c: routing.add(c, NOW, "2000", None, [HQ]))

    database.write(lambda c: operations.add(c, NOW, INES, "2000", None, [HQ], {}))
    gone = database.write(lambda c: operations.remove(c, NOW, INES, "2000", {"site": ["Rome"]}))

    assert gone == []
    assert _audited(database) == []


def test_the_chosen_routes_are_removed_and_the_others_stay(database: Database) -> None:
    wanted = [HQ, Conditions(site="Berlin"), Conditions(site="HQ", event="late")]
    database.write(lambda c: routing.add(c, NOW, "2000", None, wanted))

    chosen: dict[str, list[str | None]] = {"site": ["HQ", "Rome"], "event": [None]}
    gone = database.write(lambda c: operations.remove(c, NOW, INES, "2000", chosen))

    assert gone == ["site HQ"]
    with database.snapshot() as connection:
        assert [route["site"] for route in routing.listed(connection)] == ["Berlin", "HQ"]
    (row,) = _audited(database)
    assert json.loads(row["before_json"]) == {"routes": ["site HQ"]}


def test_a_status_that_came_to_be_in_between_is_to_be_tried_again() -> None:
    again = "Message 17 is failed now: try again."

    assert left_alone.not_retried(17, "failed", []) == again
    assert left_alone.not_cancelled(17, "failed") == again
