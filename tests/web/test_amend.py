"""POST /attendance/{id}/amend: a new record stands in the place of the one that was wrong."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from calling import ADA, Api, assert_problem, at_once, each_part
from werkzeug.test import TestResponse

from attendance.models import Event
from attendance.notifications import routing
from attendance.notifications.routing import Conditions

pytestmark = pytest.mark.both_databases

WHY = "the kiosk's clock was fast"
NOON_TEXT = "2026-11-23T12:00:00.000000Z"


def amend(api: Api, record_id: int, headers: Any = None, **fields: Any) -> TestResponse:
    body = {"reason": WHY, **fields}
    return api.post(body, f"/attendance/{record_id}/amend", "admin", headers=headers)


def amended(api: Api, record_id: int, **fields: Any) -> dict[str, Any]:
    """The new record of an amendment that must be accepted."""
    answer = amend(api, record_id, **fields)
    assert answer.status_code == 201, answer.text
    return dict(answer.get_json()["attendance"])


def test_the_answer_is_the_new_record_and_leads_to_it(api: Api) -> None:
    record = api.record(site="HQ", note="hi", client_event_id="e-1")
    api.clock.advance(3600)

    answer = amend(api, record["id"], {"X-Request-Id": "req-2"}, event="check_out")

    assert answer.status_code == 201
    body = answer.get_json()
    assert body["message"] == "Corrected: Ada Lovelace checked out."
    assert body["attendance"] == {
        **record,
        "id": record["id"] + 1,
        "event": "check_out",
        "received_at": "2026-11-23T13:00:00.000000Z",
        "request_id": "req-2",
        "client_event_id": None,
        "replaces": record["id"],
    }
    assert answer.headers["Location"] == f"/attendance/{body['attendance']['id']}"
    shown = api.get(answer.headers["Location"]).get_json()
    assert shown == {**body["attendance"], "notifications": body["notifications"]}


def test_the_original_stays_and_leads_to_what_stands_in_its_place(api: Api) -> None:
    record = api.record()
    before = api.rows("SELECT * FROM attendance")

    new = amended(api, record["id"], event="late")

    assert api.rows("SELECT * FROM attendance WHERE id = ?", record["id"]) == before
    correction = {
        "kind": "amended",
        "corrected_at": NOON_TEXT,
        "reason": WHY,
        "replaced_by": new["id"],
    }
    listed = {row["id"]: row for row in api.page("/attendance")}
    assert listed == {record["id"]: {**record, "correction": correction}, new["id"]: new}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("person_id", "ben"),
        ("person_name", "Ada King"),
        ("event", "late"),
        ("occurred_at", "2026-11-23T08:58:00.000000Z"),
        ("site", "Annexe"),
        ("group", "Engines"),
        ("device", "kiosk-2"),
        ("note", "by the back door"),
        ("location", {"lat": 1.0, "lon": 2.0, "accuracy_m": None}),
        ("timezone", "Asia/Tokyo"),
    ],
)
def test_each_field_can_be_put_right(api: Api, field: str, value: object) -> None:
    place = {"lat": 52.5, "lon": 13.4, "accuracy_m": 8.0}
    said = {"site": "HQ", "group": "A", "device": "kiosk-1", "note": "x", "location": place}
    record = api.record(**said)

    new = amended(api, record["id"], **{field: value})

    unlike = {name for name in record if record[name] != new[name]}
    assert unlike - {"id", "request_id", "replaces"} == {field}
    assert new[field] == value


@pytest.mark.parametrize("field", ["person_name", "site", "group", "device", "note", "location"])
def test_null_takes_away_what_need_not_be_there(api: Api, field: str) -> None:
    said = {
        "site": "HQ",
        "group": "A",
        "device": "k",
        "note": "x",
        "location": {"lat": 1, "lon": 2},
    }
    record = api.record(**said)

    assert record[field] is not None
    assert amended(api, record["id"], **{field: None})[field] is None


def test_the_local_date_follows_the_time_and_the_zone(api: Api) -> None:
    record = api.record(occurred_at="2026-11-23T11:00:00Z", timezone="Europe/Berlin")

    moved = amended(api, record["id"], occurred_at="2026-11-22T23:30:00Z")
    zoned = amended(api, moved["id"], timezone="UTC")

    assert (moved["local_date"], moved["timezone"]) == ("2026-11-23", "Europe/Berlin")
    assert (zoned["local_date"], zoned["timezone"]) == ("2026-11-22", "UTC")


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"reason": None, "event": "late"}, "/reason", "string_type"),
        ({"event": "gone"}, "/event", "literal_error"),
        ({"event": None}, "/event", "literal_error"),
        ({"person_id": None}, "/person_id", "string_type"),
        ({"person_id": ""}, "/person_id", "string_too_short"),
        ({"occurred_at": None}, "/occurred_at", "not_a_time"),
        ({"occurred_at": "2026-11-23T09:00:00"}, "/occurred_at", "not_a_time"),
        ({"occurred_at": "2026-11-23T12:05:00.000001Z"}, "/occurred_at", "in_the_future"),
        ({"timezone": None}, "/timezone", "string_type"),
        ({"timezone": "Mars/Base"}, "/timezone", "not_a_zone"),
        ({"location": {"lat": 91, "lon": 0}}, "/location/lat", "less_than_equal"),
        ({"client_event_id": "e-2"}, "/client_event_id", "unknown_field"),
        ({"received_at": NOON_TEXT}, "/received_at", "unknown_field"),
    ],
)
def test_what_would_not_be_recorded_is_no_correction(
    api: Api, fields: dict[str, Any], pointer: str, code: str
) -> None:
    record = api.record()

    problem = assert_problem(amend(api, record["id"], **fields), 422, "validation_failed")

    assert [(one["pointer"], one["code"]) for one in problem["errors"]] == [(pointer, code)]
    assert len(api.rows("SELECT * FROM attendance")) == 1
    entry = api.audited()[-1]
    assert (entry["action"], entry["outcome"]) == ("attendance.amended", "refused")


def test_five_minutes_ahead_is_a_clock_that_is_off(api: Api) -> None:
    assert amended(api, api.record()["id"], occurred_at="2026-11-23T12:05:00Z")


def test_a_reason_is_asked_for(api: Api) -> None:
    record = api.record()

    answer = api.post({"event": "late"}, f"/attendance/{record['id']}/amend", "admin")

    problem = assert_problem(answer, 422, "validation_failed")
    assert [one["pointer"] for one in problem["errors"]] == ["/reason"]


@pytest.mark.parametrize(
    "fields", [{}, {"event": "check_in"}, {"occurred_at": "2026-11-23T13:00:00+01:00"}]
)
def test_what_changes_nothing_is_refused(api: Api, fields: dict[str, Any]) -> None:
    record = api.record()

    problem = assert_problem(amend(api, record["id"], **fields), 422, "nothing_to_amend")

    assert problem["detail"].startswith(f"Attendance {record['id']} says so already")
    assert len(api.rows("SELECT * FROM attendance")) == 1


def test_what_is_not_there_cannot_be_amended(api: Api) -> None:
    assert_problem(amend(api, 99, event="late"), 404, "not_found")


def test_a_void_record_cannot_be_amended(api: Api) -> None:
    record = api.record()
    api.post({"reason": "no"}, f"/attendance/{record['id']}/void", "admin")

    problem = assert_problem(amend(api, record["id"], event="late"), 409, "already_corrected")

    assert problem["detail"] == f"Attendance {record['id']} is void already."


@pytest.mark.parametrize("act", ["amend", "void"])
def test_an_amended_record_is_corrected_where_it_was_replaced(api: Api, act: str) -> None:
    record = api.record()
    new = amended(api, record["id"], event="late")
    body = {"reason": WHY, **({"event": "absent"} if act == "amend" else {})}

    answer = api.post(body, f"/attendance/{record['id']}/{act}", "admin")
    there = api.post(body, f"/attendance/{new['id']}/{act}", "admin")

    problem = assert_problem(answer, 409, "already_corrected")
    assert f"correct {new['id']}, which stands in its place" in problem["detail"]
    assert there.status_code in {200, 201}


@pytest.mark.slow
def test_of_two_at_once_one_is_done(api: Api) -> None:
    record = api.record()

    answers = at_once(8, lambda _: amend(api, record["id"], event="late").status_code)

    assert sorted(answers) == [201, *[409] * 7]
    assert len(api.rows("SELECT * FROM attendance")) == 2


def test_a_frontend_cannot_void_what_an_admin_amended(api: Api) -> None:
    new = amended(api, api.record()["id"], event="late")

    answer = api.post({"reason": WHY}, f"/attendance/{new['id']}/void", "frontend")

    assert_problem(answer, 403, "not_your_record")


def test_the_duplicate_window_goes_by_what_stands(api: Api) -> None:
    new = amended(api, api.record()["id"], event="check_out")

    as_before, as_corrected = api.post(ADA), api.post({**ADA, "event": "check_out"})

    assert as_before.status_code == 201
    # The check-in that was just recorded is the latest now.
    assert as_corrected.status_code == 201
    assert new["event"] == "check_out"


def test_a_twin_of_the_new_record_is_answered_with_it(api: Api) -> None:
    new = amended(api, api.record()["id"], event="check_out")

    answer = api.post({**ADA, "event": "check_out"}, role="admin").get_json()
    frontend_s = api.post({**ADA, "event": "check_out"}).get_json()

    assert (answer["attendance"], answer["deduplicated"]) == (new, True)
    # The admin has reported it: a frontend learns its id.
    assert (frontend_s["attendance"]["id"], frontend_s["deduplicated"]) == (new["id"], True)


def test_a_known_client_event_is_answered_with_the_original_and_its_correction(api: Api) -> None:
    event = {**ADA, "client_event_id": "e-1", "occurred_at": NOON_TEXT}
    record = api.post(event).get_json()["attendance"]
    new = amended(api, record["id"], occurred_at="2026-11-23T08:58:00Z")

    answer = api.post(event)

    assert answer.status_code == 200
    found = answer.get_json()["attendance"]
    assert (found["id"], found["occurred_at"]) == (record["id"], NOON_TEXT)
    assert found["correction"]["replaced_by"] == new["id"]


def test_the_trail_has_both_records_and_the_reason(api: Api) -> None:
    record = api.record()
    new = amended(api, record["id"], event="late")

    _, entry = api.audited()

    assert (entry["action"], entry["outcome"]) == ("attendance.amended", "success")
    assert (entry["target_id"], entry["reason"]) == (str(record["id"]), WHY)
    before, after = json.loads(entry["before_json"]), json.loads(entry["after_json"])
    assert (before["id"], before["event"]) == (record["id"], "check_in")
    assert (after["id"], after["event"], after["replaces"]) == (new["id"], "late", record["id"])


def test_the_message_says_what_it_is_now_and_was_before(api: Api) -> None:
    record = api.record(site="HQ")
    new = amended(api, record["id"], occurred_at="2026-11-23T08:58:00Z")

    message = api.rows("SELECT * FROM outbox")[1]

    now = "✏️ Corrected: *Ada Lovelace* checked in · 08:58 · Mon 23 Nov · HQ"
    was = "Before: *Ada Lovelace* checked in · 12:00 · Mon 23 Nov · HQ"
    assert message["text"] == f"{now}\n{was}\nReason: {WHY}"
    assert message["line"] == f"{now} · {was} · Reason: {WHY}"
    assert (message["subject_type"], message["subject_id"]) == ("attendance", str(new["id"]))


def _route(api: Api, chat_id: str, group: str | None = None, event: Event | None = None) -> None:
    wanted = [Conditions(group=group, event=event)]
    api.services.database.write(lambda c: routing.add(c, api.clock.now, chat_id, None, wanted))


def test_who_was_told_before_and_who_is_concerned_now_are_told_once(api: Api) -> None:
    _route(api, "-1", group="A")
    _route(api, "-2", group="B")
    _route(api, "-3", event="check_in")
    _route(api, "-4", group="C")
    record = api.record(group="A")

    told = amend(api, record["id"], group="B").get_json()["notifications"]

    assert [one["chat_id"] for one in told] == ["-1", "-3", "-2"]


def _unroute(api: Api, chat_id: str) -> None:
    api.services.database.write(lambda c: routing.remove(c, chat_id, lambda _: True))


def test_who_was_told_of_what_was_wrong_is_told_of_what_is_right(api: Api) -> None:
    """Though its route is another now, and not though it has none any more."""
    for chat_id in ("-1", "-2"):
        _route(api, chat_id, group="A")
    record = api.record(group="A")
    for chat_id in ("-1", "-2"):
        _unroute(api, chat_id)
    _route(api, "-1", group="C")

    told = amend(api, record["id"], event="late").get_json()["notifications"]

    assert [one["chat_id"] for one in told] == ["1000", "-1"]


def test_the_default_chat_is_told_of_what_it_was_told(api: Api) -> None:
    record = api.record(group="A")
    _route(api, "-1", group="A")

    told = amend(api, record["id"], event="late").get_json()["notifications"]

    assert [one["chat_id"] for one in told] == ["-1", "1000"]


def test_the_same_request_gets_the_same_answer(api: Api) -> None:
    record, key = api.record(), {"Idempotency-Key": "k-1"}
    first = amend(api, record["id"], key, event="late")

    second = amend(api, record["id"], key, event="late")
    other = amend(api, record["id"], key, event="absent")

    assert (second.status_code, second.data) == (201, first.data)
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert_problem(other, 422, "idempotency_key_reused")
    assert len(api.rows("SELECT * FROM attendance")) == 2


@pytest.mark.parametrize(("table", "which"), each_part("attendance.amended"))
def test_where_one_part_fails_nothing_is_written(api: Api, table: str, which: str) -> None:
    record = api.record()
    api.refuse(table, which)

    answer = amend(api, record["id"], {"Idempotency-Key": "k"}, event="late")

    assert_problem(answer, 500, "internal_error")
    assert api.page("/attendance") == [record]
    assert len(api.rows("SELECT * FROM outbox WHERE subject_type = 'attendance'")) == 1
    assert api.rows("SELECT * FROM idempotency_key") == []
    written = "SELECT outcome FROM audit WHERE action = 'attendance.amended'"
    assert {row["outcome"] for row in api.rows(written)} <= {"crashed"}


def test_without_the_fault_the_same_request_is_done(api: Api) -> None:
    """The control of the test above."""
    record = api.record()
    before = api.counts()

    amend(api, record["id"], {"Idempotency-Key": "k"}, event="late")

    grown = {name: count - before[name] for name, count in api.counts().items()}
    assert grown == {"attendance": 1, "outbox": 1, "audit": 1, "idempotency_key": 1}


def test_an_amendment_takes_no_part_in_templates(make_api: Callable[..., Api]) -> None:
    api = make_api(NOTICE_TEMPLATE="{person}")

    amended(api, api.record()["id"], event="late")

    assert api.rows("SELECT text FROM outbox")[1]["text"].startswith("✏️ Corrected: ")
