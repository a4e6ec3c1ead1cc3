"""Idempotency-Key: the same request again gets the same answer, and does nothing."""

import json
from collections.abc import Callable

import pytest
from calling import ADA, Api, assert_problem, at_once

pytestmark = pytest.mark.both_databases


def _key(value: str) -> dict[str, str]:
    return {"Idempotency-Key": value}


def test_the_same_request_gets_the_first_answer_byte_by_byte(api: Api) -> None:
    first = api.post(ADA, headers=_key("k-1"))
    api.clock.advance(7 * 86400)
    second = api.post(ADA, headers=_key("k-1"))

    assert (second.status_code, second.data) == (201, first.data)
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert api.counts() == {"attendance": 1, "outbox": 1, "audit": 4, "idempotency_key": 1}


@pytest.mark.parametrize(
    ("first", "second"), [("k-1", '"k-1"'), ('"k-1"', "k-1"), ("k-1", "  k-1 ")]
)
def test_raw_and_quoted_are_the_same_key(api: Api, first: str, second: str) -> None:
    api.post(ADA, headers=_key(first))

    assert "Idempotent-Replayed" in api.post(ADA, headers=_key(second)).headers


@pytest.mark.parametrize("other", [{**ADA, "event": "late"}, {**ADA, "note": "x"}])
def test_the_same_key_with_another_body_is_refused(api: Api, other: dict[str, str]) -> None:
    api.post(ADA, headers=_key("k-1"))

    answer = api.post(other, headers=_key("k-1"))

    assert_problem(answer, 422, "idempotency_key_reused")
    assert len(api.rows("SELECT * FROM attendance")) == 1
    assert [entry["outcome"] for entry in api.audited()] == ["success", "refused"]


def test_a_body_that_only_looks_different_is_another_request(api: Api) -> None:
    api.post(json.dumps(ADA), headers=_key("k-1"))

    assert_problem(api.post(json.dumps(ADA, indent=1), headers=_key("k-1")), 422)


def test_a_refusal_is_not_stored(api: Api) -> None:
    assert_problem(api.post({**ADA, "event": "gone"}, headers=_key("k-1")), 422)

    answer = api.post(ADA, headers=_key("k-1"))

    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer.headers


def test_a_conflict_in_the_unit_of_work_is_not_stored(api: Api) -> None:
    api.record(client_event_id="e-1")
    api.clock.advance(300)
    clash = {**ADA, "event": "late", "client_event_id": "e-1"}

    assert_problem(api.post(clash, headers=_key("k-1")), 422, "client_event_conflict")

    assert api.rows("SELECT * FROM idempotency_key") == []


def test_a_deduplicated_answer_is_stored_as_well(api: Api) -> None:
    api.record()
    first = api.post(ADA, headers=_key("k-1"))
    api.clock.advance(3600)
    second = api.post(ADA, headers=_key("k-1"))

    assert first.status_code == second.status_code == 200
    assert second.data == first.data


def test_two_keys_are_two_requests(api: Api) -> None:
    api.post(ADA, headers=_key("k-1"))
    answer = api.post({**ADA, "person_id": "ben"}, headers=_key("k-2"))

    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer.headers


def test_each_client_has_keys_of_its_own(api: Api) -> None:
    api.post(ADA, headers=_key("k-1"))
    other = api.make_key("other door", "frontend")

    answer = api.post({**ADA, "person_id": "ben"}, role=None, key=other, headers=_key("k-1"))

    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer.headers


def test_what_was_sent_under_a_key_is_known_under_its_successor(api: Api) -> None:
    first = api.post(ADA, headers=_key("k-1"))
    successor = api.rotate_key("frontend")

    second = api.post(ADA, role=None, key=successor, headers=_key("k-1"))

    assert second.data == first.data
    assert second.headers["Idempotent-Replayed"] == "true"


def test_a_namesake_of_a_revoked_key_is_another_client(api: Api) -> None:
    api.post(ADA, headers=_key("k-1"))
    api.revoke_key("frontend")
    namesake = api.make_key("frontend", "frontend", token="another" * 6)

    answer = api.post({**ADA, "event": "late"}, role=None, key=namesake, headers=_key("k-1"))

    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer.headers


@pytest.mark.parametrize(
    "bad", ["", " ", '""', "x" * 256, "a\tb", "ä", "a\x7fb", '"' + "x" * 256 + '"']
)
def test_what_is_no_key_is_a_400(api: Api, bad: str) -> None:
    assert_problem(api.post(ADA, headers=_key(bad)), 400, "invalid_idempotency_key")
    assert api.rows("SELECT * FROM attendance") == []


@pytest.mark.parametrize("good", ["x", "x" * 255, '"', "a b", '"a"b"', "{}[]\\/;,:"])
def test_any_printable_text_is_a_key(api: Api, good: str) -> None:
    first = api.post(ADA, headers=_key(good))

    assert first.status_code == 201
    assert api.post(ADA, headers=_key(good)).data == first.data


def test_twenty_twins_at_once_make_one_record_and_get_twenty_equal_answers(api: Api) -> None:
    answers = at_once(20, lambda _: api.post(ADA, headers=_key("k-1")))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.data for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 19
    assert api.counts() == {"attendance": 1, "outbox": 1, "audit": 4, "idempotency_key": 1}


def test_twins_in_two_services_make_one_record(make_api: Callable[..., Api]) -> None:
    api = make_api()
    other = make_api()

    answers = at_once(8, lambda n: (api, other)[n % 2].post(ADA, headers=_key("k-1")))

    assert len({answer.data for answer in answers}) == 1
    assert len(api.rows("SELECT * FROM attendance")) == 1
