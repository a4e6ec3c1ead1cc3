"""A known event sent again and again: the first of a minute are audited one by one, then counted.

A leaked key of a frontend cannot fill the disk with what is recorded already.
"""

import json
from collections.abc import Callable

import pytest
from calling import ADA, Api, assert_problem

from attendance.audit.throttle import write_repeated
from attendance.db import SqliteDatabase

FIRST_OF_A_KIND = 10
KNOWN = {**ADA, "client_event_id": "e-1", "occurred_at": "2026-11-23T11:00:00Z"}


def told(api: Api) -> None:
    """Have the minute be over."""
    made = api.services
    write_repeated(made.database, api.clock, made.throttle, all_of_them=True)


@pytest.mark.both_databases
@pytest.mark.parametrize(("body", "outcome"), [(ADA, "deduplicated"), (KNOWN, "known")])
def test_the_first_have_rows_and_the_others_are_counted(
    api: Api, body: dict[str, str], outcome: str
) -> None:
    first = api.post(body).get_json()["attendance"]
    for _ in range(30):
        api.clock.advance(0.5)
        answer = api.post(body)
        assert (answer.status_code, answer.get_json()["attendance"]) == (200, first)
    told(api)

    rows = [row for row in api.audited() if row["outcome"] == outcome]
    assert [row["target_id"] for row in rows] == ["1"] * FIRST_OF_A_KIND + [None]
    assert (rows[-1]["action"], rows[-1]["actor_name"]) == ("attendance.recorded", "frontend")
    assert rows[-1]["reason"] == "20 more like those before"
    assert json.loads(rows[-1]["after_json"]) == {
        "status": 200,
        "code": outcome,
        "repeated": 20,
        "first": "2026-11-23T12:00:05.500000Z",
        "last": "2026-11-23T12:00:15.000000Z",
    }


def test_the_first_one_is_in_the_trail_with_its_answer(api: Api) -> None:
    api.record()
    api.post(ADA)

    assert [row["outcome"] for row in api.audited()] == ["success", "deduplicated"]


def test_repeats_take_no_rows_of_refusals(api: Api) -> None:
    api.record()
    for _ in range(100):
        api.post(ADA)
    api.post({}, role="frontend")

    assert api.audited()[-1]["outcome"] == "refused"


def test_another_key_s_repeats_are_its_own(api: Api) -> None:
    api.record()
    for _ in range(20):
        api.post(ADA)
    api.post(ADA, role="admin")

    assert api.audited()[-1]["actor_name"] == "admin"


def test_what_came_to_nothing_is_not_counted(api: Api) -> None:
    api.record()
    api.refuse_audit()

    assert_problem(api.post(ADA), 500)

    repeated = api.services.throttle.take_over(api.clock(), all_of_them=True)
    assert [one.kind.outcome for one in repeated] == ["crashed"]


def written(api: Api, body: dict[str, str], times: int, **headers: str) -> int:
    """How many bytes `times` requests write, by the length of SQLite's log."""
    assert isinstance(api.services.database, SqliteDatabase)
    log = api.services.database.sidecar("-wal")
    before = log.stat().st_size
    for _ in range(times):
        assert api.post(body, headers=headers).status_code in {200, 201}
    return log.stat().st_size - before


@pytest.mark.parametrize("body", [ADA, KNOWN])
def test_a_repeat_that_is_counted_writes_not_one_byte(api: Api, body: dict[str, str]) -> None:
    """As a request does that is sent again under its Idempotency-Key."""
    assert written(api, body, 1 + FIRST_OF_A_KIND, **{"Idempotency-Key": "k"}) > 0
    assert written(api, body, 50, **{"Idempotency-Key": "k"}) == 0
    assert written(api, body, FIRST_OF_A_KIND) > 0

    assert written(api, body, 50) == 0


def test_the_control_writes_a_row_for_each(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(api.services.throttle), "has_room", lambda *_: True)
    api.record()

    assert written(api, ADA, 50) > 50 * 4096


@pytest.mark.slow
def test_many_keys_cannot_make_many_rows(make_api: Callable[..., Api]) -> None:
    api = make_api()
    api.record()
    keys = [api.make_key(f"k{number}", "frontend") for number in range(70)]
    for key in keys:
        for _ in range(3):
            api.post(ADA, role=None, key=key)
    told(api)

    rows = [row for row in api.audited() if row["outcome"] == "deduplicated"]
    assert len(rows) <= 60 + 51
