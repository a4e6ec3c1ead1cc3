"""A handler that crashes: JSON for the client, a row for the auditor, a word to the chat, and the
text of the exception for the log alone."""

import json
import logging
from collections.abc import Callable
from importlib import import_module

import pytest
from calling import ADA, Api, assert_problem

from attendance import audit
from attendance.db import TooBusy, Unavailable
from attendance.records import queries as attendance_queries

routes = import_module("attendance.web.api.attendance")

REASON = "the reason 4711"


@pytest.fixture
def crashing(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """A service whose use case is broken."""

    def broken(*_: object) -> None:
        raise RuntimeError(REASON)

    monkeypatch.setattr(routes, "record_attendance", broken)
    return api


def test_a_crash_is_a_500_in_json_that_tells_nothing_of_the_inside(crashing: Api) -> None:
    answer = crashing.post(ADA)

    problem = assert_problem(answer, 500, "internal_error")
    assert REASON not in answer.text
    assert "Traceback" not in answer.text
    assert problem["request_id"]


def test_a_crash_is_audited_as_such(crashing: Api) -> None:
    crashing.post(ADA, headers={"X-Request-Id": "req-1"})

    (entry,) = crashing.audited()
    assert (entry["action"], entry["outcome"]) == ("attendance.recorded", "crashed")
    assert (entry["actor_name"], entry["request_id"]) == ("frontend", "req-1")
    assert json.loads(entry["after_json"]) == {
        "status": 500,
        "code": "internal_error",
        "duration_ms": 0,
    }
    assert REASON not in str(entry)


def test_a_crash_leaves_nothing_but_its_note(crashing: Api) -> None:
    crashing.post(ADA, headers={"Idempotency-Key": "k"})

    assert crashing.rows("SELECT * FROM attendance") == []
    assert crashing.rows("SELECT * FROM idempotency_key") == []


def test_the_log_has_the_traceback(crashing: Api, caplog: pytest.LogCaptureFixture) -> None:
    answer = crashing.post(ADA)

    (record,) = [one for one in caplog.records if one.exc_info]
    assert record.levelno == logging.ERROR
    assert REASON in str(record.exc_info)
    assert vars(record)["request_id"] == answer.headers["X-Request-Id"]


def test_the_default_chat_is_told_of_a_crash(crashing: Api) -> None:
    crashing.post(ADA, headers={"X-Request-Id": "req-1"})

    (message,) = crashing.rows("SELECT * FROM outbox")
    assert (message["chat_id"], message["status"]) == ("1000", "pending")
    assert "A request crashed" in message["text"]
    assert "req\\-1" in message["text"]
    assert REASON not in message["text"]
    assert "ada" not in message["text"].lower()


@pytest.mark.parametrize(("seconds", "messages"), [(0, 1), (59, 1), (60, 1), (61, 2)])
def test_crashes_are_announced_at_most_once_a_minute(
    crashing: Api, seconds: float, messages: int
) -> None:
    crashing.post(ADA)
    crashing.clock.advance(seconds)
    crashing.post(ADA)

    assert len(crashing.rows("SELECT * FROM outbox")) == messages
    assert len(crashing.audited()) == 2


@pytest.mark.slow
def test_an_input_that_crashes_us_does_not_fill_the_disk(crashing: Api) -> None:
    for number in range(100):
        assert_problem(crashing.post(ADA, headers={"X-Request-Id": f"req-{number}"}), 500)
    alone = crashing.audited()
    crashing.clock.advance(60)
    crashing.post(ADA, headers={"X-Request-Id": "later"})

    assert [entry["request_id"] for entry in alone] == [f"req-{number}" for number in range(10)]
    repeated, later = crashing.audited()[10:]
    assert {entry["outcome"] for entry in [*alone, repeated, later]} == {"crashed"}
    assert (repeated["reason"], repeated["actor_name"]) == ("90 more like those before", "frontend")
    assert later["request_id"] == "later"


@pytest.mark.slow
def test_a_flood_of_refusals_does_not_hide_a_crash(crashing: Api) -> None:
    for number in range(100):
        crashing.post(ADA, key=f"guess-{number}", environ_base={"REMOTE_ADDR": f"192.0.2.{number}"})
    crashing.post(ADA)

    assert crashing.audited()[-1]["outcome"] == "crashed"
    assert len(crashing.rows("SELECT * FROM outbox")) == 1


def test_other_messages_do_not_hold_back_the_announcement(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.record()
    monkeypatch.setattr(routes, "record_attendance", None)

    api.post({**ADA, "event": "late"})

    assert len(api.rows("SELECT * FROM outbox WHERE subject_type = 'crash'")) == 1


def test_without_a_default_chat_the_announcement_waits_for_one(
    make_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = make_api(TELEGRAM_CHAT_ID="")
    monkeypatch.setattr(routes, "record_attendance", None)

    assert_problem(api.post(ADA), 500)

    assert [row["chat_id"] for row in api.rows("SELECT chat_id FROM outbox")] == [None]


def test_a_crash_of_a_read_is_a_500_in_json_and_audited(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attendance_queries, "newest", None)

    assert_problem(api.get("/attendance"), 500, "internal_error")

    (entry,) = api.audited()
    assert (entry["action"], entry["outcome"]) == ("api.read", "crashed")


@pytest.mark.parametrize(
    ("module", "broken", "path"),
    [("metrics", "seal_stats", "/metrics"), ("health", "heartbeat", "/readyz?verbose")],
)
def test_a_crash_of_what_everybody_may_read_is_audited_too(
    api: Api, monkeypatch: pytest.MonkeyPatch, module: str, broken: str, path: str
) -> None:
    monkeypatch.setattr(import_module(f"attendance.web.api.{module}"), broken, None)

    assert_problem(api.get(path, role=None), 500, "internal_error")

    (entry,) = api.audited()
    assert (entry["action"], entry["outcome"]) == ("api.read", "crashed")
    assert json.loads(entry["after_json"])["address"] == f"GET {path.partition('?')[0]}"


def test_the_duration_is_that_of_the_request(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> None:
        api.clock.advance(1.5)
        raise RuntimeError(REASON)

    monkeypatch.setattr(routes, "record_attendance", slow)

    api.post(ADA)

    assert json.loads(api.audited()[0]["after_json"])["duration_ms"] == 1500


@pytest.mark.parametrize(
    "error", [Unavailable(REASON), TooBusy(REASON), RuntimeError(REASON), MemoryError(REASON)]
)
def test_where_not_even_the_note_is_written_the_log_has_the_fields(
    crashing: Api,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(audit, "append", refuse)

    answer = crashing.post(ADA, headers={"X-Request-Id": "req-1", "User-Agent": "kiosk/1.0"})

    assert_problem(answer, 500, "internal_error")
    assert REASON not in answer.text
    (line,) = [one for one in caplog.records if "Not in the audit trail" in one.getMessage()]
    assert "attendance.recorded crashed" in line.getMessage()
    fields = ("status", "code", "duration_ms", "actor", "request_id", "source_ip", "user_agent")
    assert [vars(line)[name] for name in fields] == [
        *(500, "internal_error", 0, "key frontend", "req-1", "127.0.0.1", "kiosk/1.0")
    ]


@pytest.mark.slow
def test_what_could_not_be_written_is_told_once_it_can(api: Api) -> None:
    with api.locked():
        assert_problem(api.post(ADA), 503, "busy")
    api.clock.advance(60)
    api.post({})

    later, refused = api.audited()
    assert (later["outcome"], json.loads(later["after_json"])["code"]) == ("refused", "busy")
    assert json.loads(later["after_json"])["repeated"] == 1
    assert json.loads(refused["after_json"])["code"] == "validation_failed"


def test_a_refusal_that_cannot_be_audited_stays_that_refusal(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    api.refuse_audit()

    assert_problem(api.post(ADA, role=None), 401, "unauthenticated")
    assert_problem(api.post({}), 422, "validation_failed")
    lines = [one.getMessage() for one in caplog.records if "Not in the" in one.getMessage()]
    assert len(lines) == 2
    assert lines[0].endswith("attendance.recorded refused")
