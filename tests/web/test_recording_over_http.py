"""POST /attendance: what it answers, and what is on disk when it does."""

from collections.abc import Callable

import pytest
from calling import ADA, NOON, Api, assert_problem

SENTENCES = {
    "check_in": "Ada Lovelace checked in.",
    "check_out": "Ada Lovelace checked out.",
    "break_start": "Ada Lovelace started a break.",
    "break_end": "Ada Lovelace is back from a break.",
    "present": "Ada Lovelace is present.",
    "absent": "Ada Lovelace is absent.",
    "late": "Ada Lovelace is late.",
    "leave": "Ada Lovelace is on leave.",
}


def test_the_answer_has_the_shape_that_the_contract_fixes(api: Api) -> None:
    answer = api.post(ADA)

    assert answer.status_code == 201
    assert answer.content_type == "application/json"
    body = answer.get_json()
    assert set(body) == {"status", "message", "attendance", "notifications"}
    assert body["status"] == "SUCCESS"
    assert body["message"] == "Ada Lovelace checked in."
    assert answer.headers["Location"] == f"/attendance/{body['attendance']['id']}"
    message_id = api.rows("SELECT id FROM outbox")[0]["id"]
    assert body["notifications"] == [{"id": message_id, "chat_id": "1000", "status": "pending"}]


def test_the_record_shows_every_field_and_nothing_of_the_inside(api: Api) -> None:
    place = {"lat": 52.5, "lon": 13.4, "accuracy_m": 8.0}
    given = {
        **ADA,
        "occurred_at": "2026-11-23T12:30:00+01:00",
        "site": "HQ",
        "group": "Engines",
        "device": "kiosk-1",
        "note": "by the back door\nas ever",
        "location": place,
        "client_event_id": "k1-17",
        "timezone": "Europe/Berlin",
    }
    answer = api.post(given, headers={"X-Request-Id": "req-1"})

    assert answer.get_json()["attendance"] == {
        **given,
        "id": 1,
        "occurred_at": "2026-11-23T11:30:00.000000Z",
        "received_at": "2026-11-23T12:00:00.000000Z",
        "local_date": "2026-11-23",
        "request_id": "req-1",
        "correction": None,
        "replaces": None,
    }


def test_the_location_leads_to_the_record_and_its_messages(api: Api) -> None:
    answer = api.post(ADA)
    body = answer.get_json()

    found = api.get(answer.headers["Location"]).get_json()

    assert found == {**body["attendance"], "notifications": body["notifications"]}


@pytest.mark.parametrize(("event", "sentence"), SENTENCES.items())
def test_each_event_has_its_sentence(api: Api, event: str, sentence: str) -> None:
    assert api.post({**ADA, "event": event}).get_json()["message"] == sentence


def test_a_person_without_a_name_is_called_by_the_id(api: Api) -> None:
    answer = api.post({"person_id": "p-17", "event": "late"}).get_json()

    assert answer["message"] == "p-17 is late."
    assert answer["attendance"]["person_name"] is None


def test_without_a_time_the_server_s_counts(api: Api) -> None:
    record = api.record()

    assert record["occurred_at"] == record["received_at"] == "2026-11-23T12:00:00.000000Z"


@pytest.mark.parametrize(
    ("occurred_at", "zone", "local_date"),
    [
        ("2026-11-22T22:59:59Z", "Europe/Berlin", "2026-11-22"),
        ("2026-11-22T23:00:00Z", "Europe/Berlin", "2026-11-23"),
        # In summer Berlin is two hours ahead, and midnight comes an hour earlier in UTC.
        ("2026-07-21T21:59:59Z", "Europe/Berlin", "2026-07-21"),
        ("2026-07-21T22:00:00Z", "Europe/Berlin", "2026-07-22"),
        ("2026-11-22T10:00:00Z", "Pacific/Kiritimati", "2026-11-23"),
        ("2026-11-22T10:59:00Z", "Pacific/Pago_Pago", "2026-11-21"),
        # The offset of the time as it was sent does not decide, the zone does.
        ("2026-11-23T00:30:00+14:00", "UTC", "2026-11-22"),
    ],
)
def test_the_local_date_is_that_of_the_record_s_zone(
    api: Api, occurred_at: str, zone: str, local_date: str
) -> None:
    record = api.record(occurred_at=occurred_at, timezone=zone)

    assert (record["local_date"], record["timezone"]) == (local_date, zone)


def test_a_record_without_a_zone_takes_the_operator_s(make_api: Callable[..., Api]) -> None:
    api = make_api(TIMEZONE="Asia/Tokyo")

    record = api.record(occurred_at="2026-11-22T15:00:00Z")

    assert (record["local_date"], record["timezone"]) == ("2026-11-23", "Asia/Tokyo")


def test_the_message_tells_the_local_time(api: Api) -> None:
    api.record(occurred_at="2026-11-23T09:04:00Z", timezone="Asia/Tokyo", site="HQ", note="hi!")

    text = api.rows("SELECT text FROM outbox")[0]["text"]
    assert text == "✅ *Ada Lovelace* checked in\n18:04 · Mon 23 Nov · HQ\n“hi\\!”"


def test_names_are_kept_composed(api: Api) -> None:
    record = api.record(person_name="A\u030angstro\u0308m", note="cafe\u0301")

    assert (record["person_name"], record["note"]) == ("\u00c5ngstr\u00f6m", "caf\u00e9")


def test_a_name_is_measured_in_its_composed_form(api: Api) -> None:
    assert api.record(person_id="e\u0301" * 128)["person_id"] == "\u00e9" * 128


def test_a_location_needs_no_accuracy(api: Api) -> None:
    record = api.record(location={"lat": -90, "lon": 180})

    assert record["location"] == {"lat": -90.0, "lon": 180.0, "accuracy_m": None}


def test_record_message_and_audit_entry_are_there_together(api: Api) -> None:
    record = api.record()

    assert api.counts() == {"attendance": 1, "outbox": 1, "audit": 4, "idempotency_key": 0}
    message = api.rows("SELECT * FROM outbox")[0]
    assert (message["subject_type"], message["subject_id"]) == ("attendance", str(record["id"]))
    assert message["request_id"] == record["request_id"]
    entry = api.audited()[0]
    assert entry["action"] == "attendance.recorded"
    assert entry["outcome"] == "success"
    assert (entry["target_type"], entry["target_id"]) == ("attendance", str(record["id"]))
    assert (entry["actor_type"], entry["actor_name"]) == ("key", "frontend")
    assert (entry["request_id"], entry["source_ip"]) == (record["request_id"], "127.0.0.1")
    assert '"person_id":"ada"' in entry["after_json"]


def test_where_the_audit_entry_fails_nothing_is_recorded(api: Api) -> None:
    api.refuse_audit()
    before = api.counts()

    answer = api.post(ADA, headers={"Idempotency-Key": "k"})

    assert_problem(answer, 500, "internal_error")
    assert "secret reason" not in answer.text
    assert api.counts() == before
    assert api.rows("SELECT * FROM chat") == []


def test_where_the_message_fails_nothing_is_recorded(api: Api) -> None:
    api.refuse("outbox", "NEW.subject_type = 'attendance'")

    assert_problem(api.post(ADA), 500)

    assert api.rows("SELECT * FROM attendance") == []
    assert [entry["outcome"] for entry in api.audited()] == ["crashed"]


def test_without_telegram_attendance_is_recorded_and_the_message_waits(
    make_api: Callable[..., Api],
) -> None:
    api = make_api(TELEGRAM_BOT_TOKEN="", TELEGRAM_CHAT_ID="")

    answer = api.post(ADA)

    assert answer.status_code == 201
    assert answer.get_json()["notifications"] == [{"id": 1, "chat_id": None, "status": "pending"}]


def test_a_commit_wakes_the_dispatcher(api: Api) -> None:
    assert not api.services.wake.is_set()

    api.record()

    assert api.services.wake.is_set()


def test_it_wakes_it_when_there_is_something_to_be_seen(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRAP 30: who is woken before the commit finds nothing, and sleeps until the next poll."""
    seen: list[int] = []
    look = lambda: seen.append(len(api.rows("SELECT * FROM outbox")))  # noqa: E731
    monkeypatch.setattr(api.services.wake, "set", look)

    api.record()

    assert seen == [1]


def test_an_event_just_under_five_minutes_ahead_is_a_clock_that_is_off(api: Api) -> None:
    assert NOON.hour == 12
    assert api.post({**ADA, "occurred_at": "2026-11-23T12:05:00Z"}).status_code == 201


def test_an_event_more_than_five_minutes_ahead_is_refused(api: Api) -> None:
    answer = api.post({**ADA, "occurred_at": "2026-11-23T12:05:00.000001Z"})

    problem = assert_problem(answer, 422, "validation_failed")
    assert [(e["pointer"], e["code"]) for e in problem["errors"]] == [
        ("/occurred_at", "in_the_future")
    ]
    assert api.rows("SELECT * FROM attendance") == []
