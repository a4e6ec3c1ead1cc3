"""POST /attendance/{id}/void: the record stays, and does not count any more."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from calling import ADA, Api, assert_problem, at_once, each_part
from werkzeug.test import TestResponse

from attendance.models import Role

pytestmark = pytest.mark.both_databases

WHY = "scanned the wrong badge"
CORRECTION = {
    "kind": "void",
    "corrected_at": "2026-11-23T12:00:00.000000Z",
    "reason": WHY,
    "replaced_by": None,
}


def void(
    api: Api, record_id: int, role: Role | None = "admin", reason: str = WHY, **options: Any
) -> TestResponse:
    return api.post({"reason": reason}, f"/attendance/{record_id}/void", role, **options)


def test_the_answer_shows_the_record_as_it_was_with_its_correction(api: Api) -> None:
    record = api.record()

    answer = void(api, record["id"])

    assert answer.status_code == 200
    assert answer.headers["Location"] == f"/attendance/{record['id']}"
    assert answer.get_json() == {
        "status": "SUCCESS",
        "message": "Void: Ada Lovelace checked in.",
        "attendance": {**record, "correction": CORRECTION},
        "notifications": [{"id": 2, "chat_id": "1000", "status": "pending"}],
    }


def test_it_stays_in_the_list_and_at_its_address_marked_as_void(api: Api) -> None:
    record, other = api.record(), api.record(person_id="ben")
    void(api, record["id"])

    listed = {row["id"]: row["correction"] for row in api.page("/attendance")}
    shown = api.get(f"/attendance/{record['id']}").get_json()

    assert listed == {record["id"]: CORRECTION, other["id"]: None}
    assert shown["correction"] == CORRECTION
    assert [one["id"] for one in shown["notifications"]] == [1, 3]


def test_the_original_s_row_is_left_as_it_was(api: Api) -> None:
    record = api.record()
    before = api.rows("SELECT * FROM attendance")

    void(api, record["id"])

    assert api.rows("SELECT * FROM attendance") == before


def test_the_chats_are_told_who_what_and_why(api: Api) -> None:
    record = api.record(site="HQ", note="hi!\nthere")

    void(api, record["id"])

    message = api.rows("SELECT * FROM outbox")[1]
    said = "*Ada Lovelace* checked in · 12:00 · Mon 23 Nov · HQ · “hi\\! there”"
    assert message["text"] == f"🚫 Void: {said}\nReason: {WHY}"
    assert message["line"] == f"🚫 Void: {said} · Reason: {WHY}"
    assert (message["subject_type"], message["subject_id"]) == ("attendance", str(record["id"]))


def test_a_void_wakes_the_dispatcher(api: Api) -> None:
    record = api.record()
    api.services.wake.clear()

    void(api, record["id"])

    assert api.services.wake.is_set()


def test_the_trail_has_the_record_before_and_after(api: Api) -> None:
    record = api.record()

    void(api, record["id"], headers={"X-Request-Id": "req-2"})

    _, entry = api.audited()
    assert (entry["action"], entry["outcome"]) == ("attendance.voided", "success")
    assert (entry["target_type"], entry["target_id"]) == ("attendance", str(record["id"]))
    assert (entry["reason"], entry["request_id"]) == (WHY, "req-2")
    assert entry["actor_name"] == "admin"
    before, after = json.loads(entry["before_json"]), json.loads(entry["after_json"])
    assert before["person_id"] == "ada"
    assert set(after) - set(before) == {"corrected_at", "correction_reason"}
    assert {name: after[name] for name in before} == before


def test_a_void_record_is_no_duplicate_s_first(api: Api) -> None:
    record = api.record()
    void(api, record["id"])

    again = api.post(ADA)

    assert again.status_code == 201
    assert again.get_json()["attendance"]["id"] != record["id"]


def test_behind_a_void_record_the_one_before_counts(api: Api) -> None:
    first = api.record()
    api.clock.advance(10)
    void(api, api.record(event="check_out")["id"])

    answer = api.post(ADA).get_json()

    assert (answer["attendance"], answer["deduplicated"]) == (first, True)


def test_a_known_client_event_is_answered_with_the_void_record(api: Api) -> None:
    event = {**ADA, "client_event_id": "e-1"}
    record = api.post(event).get_json()["attendance"]
    void(api, record["id"])

    answer = api.post(event)

    assert answer.status_code == 200
    assert answer.get_json()["attendance"] == {**record, "correction": CORRECTION}


def test_a_second_void_is_a_conflict_and_changes_nothing(api: Api) -> None:
    record = api.record()
    void(api, record["id"])
    before = api.counts()

    problem = assert_problem(void(api, record["id"], reason="again"), 409, "already_corrected")

    assert problem["detail"] == f"Attendance {record['id']} is void already."
    assert api.counts() == {**before, "audit": before["audit"] + 1}
    assert api.audited()[-1]["outcome"] == "refused"
    shown = api.get(f"/attendance/{record['id']}").get_json()
    assert shown["correction"]["reason"] == WHY


def test_of_two_at_once_one_is_done(api: Api) -> None:
    record = api.record()

    answers = at_once(8, lambda _: void(api, record["id"]).status_code)

    assert sorted(answers) == [200, *[409] * 7]
    assert len(api.rows("SELECT * FROM outbox")) == 2


@pytest.mark.parametrize("role", ["admin", "frontend"])
def test_what_is_not_there_cannot_be_void(api: Api, role: Role) -> None:
    problem = assert_problem(void(api, 99, role), 404, "not_found")

    assert problem["detail"] == "There is no attendance 99."


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/reason", "required"),
        ({"reason": None}, "/reason", "string_type"),
        ({"reason": " "}, "/reason", "string_too_short"),
        ({"reason": "x" * 501}, "/reason", "string_too_long"),
        ({"reason": "a\x00b"}, "/reason", "control_character"),
        ({"reason": WHY, "event": "late"}, "/event", "unknown_field"),
    ],
)
def test_a_reason_and_nothing_else_is_asked_for(
    api: Api, body: object, pointer: str, code: str
) -> None:
    record = api.record()

    problem = assert_problem(api.post(body, f"/attendance/{record['id']}/void", "admin"), 422)

    assert [(one["pointer"], one["code"]) for one in problem["errors"]] == [(pointer, code)]
    assert api.rows("SELECT * FROM correction") == []
    entry = api.audited()[-1]
    assert (entry["action"], entry["outcome"]) == ("attendance.voided", "refused")


@pytest.mark.parametrize(("seconds", "status"), [(0, 200), (60, 200), (60.000001, 403)])
def test_a_frontend_has_a_minute_for_its_own_record(api: Api, seconds: float, status: int) -> None:
    # When it occurred does not matter, but when it came.
    record = api.record(occurred_at="2026-11-20T09:00:00Z")
    api.clock.advance(seconds)

    answer = void(api, record["id"], "frontend")

    assert answer.status_code == status
    if status == 403:
        problem = assert_problem(answer, 403, "too_late")
        assert "more than 60 seconds ago: ask an admin" in problem["detail"]
        assert api.rows("SELECT * FROM correction") == []


def test_an_admin_has_all_the_time(api: Api) -> None:
    record = api.record()
    api.clock.advance(400 * 86400)

    assert void(api, record["id"]).status_code == 200


def test_a_frontend_cannot_void_what_another_key_reported(api: Api) -> None:
    record = api.record()
    other = api.make_key("back-door", "frontend")

    problem = assert_problem(void(api, record["id"], None, key=other), 403, "not_your_record")

    assert "another key" in problem["detail"]
    assert api.rows("SELECT * FROM correction") == []
    assert api.audited()[-1]["actor_name"] == "back-door"


@pytest.mark.parametrize(("role", "body"), [(None, {}), ("auditor", {}), ("admin", {})])
def test_a_refusal_says_in_the_trail_which_record_it_was_about(
    api: Api, role: Role | None, body: object
) -> None:
    record = api.record()

    api.post(body, f"/attendance/{record['id']}/void", role)

    entry = api.audited()[-1]
    assert (entry["action"], entry["outcome"]) == ("attendance.voided", "refused")
    assert (entry["target_type"], entry["target_id"]) == ("attendance", str(record["id"]))


def test_a_rotated_key_is_still_the_one_that_reported_it(api: Api) -> None:
    record = api.record()
    successor = api.rotate_key("frontend")

    assert void(api, record["id"], None, key=successor).status_code == 200


def test_the_same_request_gets_the_same_answer_even_after_the_minute(api: Api) -> None:
    record, key = api.record(), {"Idempotency-Key": "k-1"}
    first = void(api, record["id"], "frontend", headers=key)
    api.clock.advance(600)

    second = void(api, record["id"], "frontend", headers=key)

    assert (second.status_code, second.data) == (200, first.data)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(api.rows("SELECT * FROM correction")) == 1


def test_an_idempotency_key_is_for_one_record(api: Api) -> None:
    one, other = api.record(), api.record(person_id="ben")
    key = {"Idempotency-Key": "k-1"}
    void(api, one["id"], headers=key)

    assert_problem(void(api, other["id"], headers=key), 422, "idempotency_key_reused")


@pytest.mark.parametrize(("table", "which"), each_part("attendance.voided"))
def test_where_one_part_fails_nothing_is_written(api: Api, table: str, which: str) -> None:
    record = api.record()
    api.refuse(table, which)

    answer = void(api, record["id"], headers={"Idempotency-Key": "k"})

    assert_problem(answer, 500, "internal_error")
    assert "secret" not in answer.text
    assert api.rows("SELECT * FROM correction") == []
    assert len(api.rows("SELECT * FROM outbox WHERE subject_type = 'attendance'")) == 1
    assert api.rows("SELECT * FROM idempotency_key") == []
    voided = "SELECT outcome FROM audit WHERE action = 'attendance.voided'"
    assert {row["outcome"] for row in api.rows(voided)} <= {"crashed"}
    assert api.get(f"/attendance/{record['id']}").get_json()["correction"] is None


def test_without_the_fault_the_same_request_is_done(api: Api) -> None:
    """The control of the test above."""
    record = api.record()
    before = api.counts()

    assert void(api, record["id"], headers={"Idempotency-Key": "k"}).status_code == 200

    grown = {name: count - before[name] for name, count in api.counts().items()}
    assert grown == {"attendance": 0, "outbox": 1, "audit": 1, "idempotency_key": 1}
    assert len(api.rows("SELECT * FROM correction")) == 1


def test_without_a_chat_the_message_waits_for_one(make_api: Callable[..., Api]) -> None:
    api = make_api(TELEGRAM_BOT_TOKEN="", TELEGRAM_CHAT_ID="")
    record = api.record()

    answer = void(api, record["id"])

    assert answer.get_json()["notifications"] == [{"id": 2, "chat_id": None, "status": "pending"}]


def test_a_password_in_the_reason_is_in_no_row_of_what_stays(api: Api) -> None:
    first = api.record()

    answer = api.post({"reason": "its password=hunter2 leaked"}, f"/attendance/{first['id']}/void")

    assert answer.status_code == 200
    kept = [*api.rows("SELECT * FROM correction"), *api.audited()]
    assert "hunter2" not in str(kept)
    assert "its password=[secret]" in str(kept)
