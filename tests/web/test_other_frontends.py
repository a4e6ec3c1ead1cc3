"""A frontend reads what it has reported, and nothing of what another has."""

import pytest
from calling import ADA, Api, assert_problem

from attendance.models import Role

pytestmark = pytest.mark.both_databases

SAID = {"person_id": "ada", "event": "check_in"}
THEIRS = {
    **SAID,
    "person_name": "Ada Lovelace",
    "note": "left the keys",
    "site": "HQ",
    "device": "kiosk-1",
    "group": "maths",
    "client_event_id": "theirs-1",
    "location": {"lat": 52.5, "lon": 13.4, "accuracy_m": 5},
}


def test_a_duplicate_of_another_frontend_s_record_tells_only_its_id(api: Api) -> None:
    theirs = api.record(**THEIRS)

    answer = api.post(SAID, key=api.make_key("other", "frontend"))

    body = answer.get_json()
    assert (answer.status_code, body["deduplicated"]) == (200, True)
    assert body["attendance"]["id"] == theirs["id"]
    secrets = ("Lovelace", "left the keys", "HQ", "kiosk-1", "maths", "theirs-1", "13.4")
    assert [word for word in secrets if word in answer.text] == []
    assert body["attendance"]["request_id"] != theirs["request_id"]


@pytest.mark.parametrize("role", ["frontend", "admin"])
def test_control_the_same_frontend_and_an_admin_are_told_all(api: Api, role: Role) -> None:
    theirs = api.record(**THEIRS)

    again = api.post(SAID, role=role).get_json()

    assert again["attendance"] == theirs
    assert "Ada Lovelace" in again["message"]


def test_a_rotated_key_is_the_same_frontend(api: Api) -> None:
    theirs = api.record(**THEIRS)

    assert api.post(SAID, key=api.rotate_key("frontend")).get_json()["attendance"] == theirs


def test_a_frontend_finds_its_record_where_the_answer_says_with_its_messages(api: Api) -> None:
    recorded = api.post(ADA)

    found = api.get(recorded.headers["Location"], role="frontend")

    assert found.status_code == 200
    body = found.get_json()
    assert body["notifications"][0]["status"] == "pending"
    assert {**body, "notifications": None} == {
        **recorded.get_json()["attendance"],
        "notifications": None,
    }
    rotated = api.get(recorded.headers["Location"], key=api.rotate_key("frontend"))
    assert rotated.status_code == 200


def test_another_frontend_s_record_is_not_shown(api: Api) -> None:
    recorded, other = api.post(ADA), api.make_key("other", "frontend")

    refused = api.get(recorded.headers["Location"], key=other)

    assert_problem(refused, 403, "not_your_record")
    assert "Ada" not in refused.text
    assert_problem(api.get("/attendance/4711", key=other), 404, "not_found")
