"""client_event_id: an event that a kiosk sends again, perhaps months later, is known."""

import pytest
from calling import ADA, Api, assert_problem, at_once

pytestmark = pytest.mark.both_databases

EVENT = {**ADA, "client_event_id": "e-1", "occurred_at": "2026-11-23T11:00:00Z"}


def test_a_known_event_gets_the_first_record(api: Api) -> None:
    first = api.post(EVENT).get_json()
    api.clock.advance(200 * 86400)

    answer = api.post(EVENT)

    assert answer.status_code == 200
    body = answer.get_json()
    assert body["attendance"] == first["attendance"]
    assert body["notifications"] == []
    assert "deduplicated" not in body
    assert answer.headers["Location"] == f"/attendance/{first['attendance']['id']}"


def test_a_known_event_is_audited_and_sends_nothing(api: Api) -> None:
    api.post(EVENT)
    api.clock.advance(3600)
    api.post(EVENT)

    assert len(api.rows("SELECT * FROM attendance")) == len(api.rows("SELECT * FROM outbox")) == 1
    assert [entry["outcome"] for entry in api.audited()] == ["success", "known"]
    assert {entry["target_id"] for entry in api.audited()} == {"1"}


def test_the_same_instant_with_another_offset_is_the_same_event(api: Api) -> None:
    api.post(EVENT)

    assert api.post({**EVENT, "occurred_at": "2026-11-23T12:00:00+01:00"}).status_code == 200


@pytest.mark.parametrize(
    "other",
    [
        {"person_id": "ben"},
        {"event": "check_out"},
        {"occurred_at": "2026-11-23T11:00:00.000001Z"},
        {"occurred_at": "2026-11-22T11:00:00Z"},
    ],
)
def test_other_content_under_a_known_id_is_a_conflict(api: Api, other: dict[str, str]) -> None:
    api.post(EVENT)

    problem = assert_problem(api.post({**EVENT, **other}), 422, "client_event_conflict")

    assert [error["pointer"] for error in problem["errors"]] == ["/client_event_id"]
    assert len(api.rows("SELECT * FROM attendance")) == 1
    assert [entry["outcome"] for entry in api.audited()] == ["success", "refused"]


@pytest.mark.parametrize("other", [{"note": "x"}, {"person_name": "A. L."}, {"site": "B"}])
def test_what_does_not_identify_the_event_may_differ(api: Api, other: dict[str, str]) -> None:
    first = api.post(EVENT).get_json()

    assert api.post({**EVENT, **other}).get_json()["attendance"] == first["attendance"]


def test_an_event_without_a_time_may_come_again_at_any_time(api: Api) -> None:
    timeless = {**ADA, "client_event_id": "e-1"}
    first = api.post(timeless).get_json()
    api.clock.advance(86400)

    answer = api.post(timeless)

    assert answer.status_code == 200
    assert answer.get_json()["attendance"] == first["attendance"]


def test_a_known_event_goes_before_the_duplicate_window(api: Api) -> None:
    api.post(EVENT)

    assert "deduplicated" not in api.post(EVENT).get_json()


def test_each_client_has_ids_of_its_own(api: Api) -> None:
    api.post(EVENT)
    other = api.make_key("other door", "frontend")

    answer = api.post({**EVENT, "person_id": "ben"}, role=None, key=other)

    assert answer.status_code == 201


def test_what_was_sent_under_a_key_is_known_under_its_successor(api: Api) -> None:
    api.post(EVENT)
    successor = api.rotate_key("frontend")

    assert api.post(EVENT, role=None, key=successor).status_code == 200


def test_ids_that_differ_in_case_are_different(api: Api) -> None:
    api.post(EVENT)

    assert api.post({**EVENT, "client_event_id": "E-1", "person_id": "ben"}).status_code == 201


@pytest.mark.slow
def test_of_twenty_twins_at_once_one_is_recorded(api: Api) -> None:
    answers = at_once(20, lambda _: api.post(EVENT))

    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({str(answer.get_json()["attendance"]) for answer in answers}) == 1
    assert len(api.rows("SELECT * FROM attendance")) == len(api.rows("SELECT * FROM outbox")) == 1


def test_an_event_that_the_duplicate_window_answered_is_known_for_ever(api: Api) -> None:
    """Else the kiosk that sends it again, once the person has gone on, makes a second record."""
    first = api.post({**ADA, "occurred_at": "2026-11-23T11:00:00Z"}).get_json()["attendance"]
    late = {**EVENT, "occurred_at": "2026-11-23T11:01:00Z"}
    assert api.post(late).get_json()["deduplicated"] is True
    api.post({**ADA, "event": "check_out", "occurred_at": "2026-11-23T11:02:00Z"})

    answer = api.post(late)

    assert (answer.status_code, answer.get_json()["attendance"]) == (200, first)
    assert len(api.rows("SELECT * FROM attendance")) == 2
    assert_problem(api.post(EVENT), 422, "client_event_conflict")  # its own time was another
