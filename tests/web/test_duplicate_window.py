"""The same person and event within DEDUPE_SECONDS is one."""

from collections.abc import Callable

import pytest
from calling import ADA, Api, at_once

pytestmark = pytest.mark.both_databases

FIRST = "2026-11-23T11:00:00Z"


def _second(api: Api, **fields: str) -> tuple[int, bool]:
    """What an event after the one at eleven is answered: the status, and whether it was doubled."""
    api.record(occurred_at=FIRST)
    answer = api.post({**ADA, "occurred_at": FIRST, **fields})
    body = answer.get_json()
    return answer.status_code, body.get("deduplicated", False)


@pytest.mark.parametrize(
    ("occurred_at", "status"),
    [
        ("2026-11-23T11:00:00Z", 200),
        ("2026-11-23T11:00:01Z", 200),
        ("2026-11-23T11:01:59.999999Z", 200),
        ("2026-11-23T11:02:00Z", 200),  # exactly DEDUPE_SECONDS
        ("2026-11-23T11:02:00.000001Z", 201),
        ("2026-11-23T11:30:00Z", 201),
        # A kiosk's late upload: what occurred shortly before is the same event too.
        ("2026-11-23T10:58:00Z", 200),
        ("2026-11-23T10:57:59.999999Z", 201),
    ],
)
def test_the_window_compares_when_it_occurred(api: Api, occurred_at: str, status: int) -> None:
    assert _second(api, occurred_at=occurred_at) == (status, status == 200)


@pytest.mark.parametrize("other", [{"person_id": "ben"}, {"event": "check_out"}])
def test_another_person_or_event_is_no_duplicate(api: Api, other: dict[str, str]) -> None:
    assert _second(api, **other) == (201, False)


def test_another_event_in_between_makes_it_news(api: Api) -> None:
    api.record(occurred_at="2026-11-23T11:00:00Z")
    api.record(occurred_at="2026-11-23T11:00:30Z", event="check_out")

    answer = api.post({**ADA, "occurred_at": "2026-11-23T11:01:00Z"})

    assert answer.status_code == 201


def test_only_the_person_s_latest_record_counts(api: Api) -> None:
    api.record(occurred_at="2026-11-23T09:00:00Z")
    api.record(occurred_at="2026-11-23T11:00:00Z", event="check_out")

    # Close to the first, but the latest is another event.
    assert api.post({**ADA, "occurred_at": "2026-11-23T09:00:10Z"}).status_code == 201


def test_the_window_moves_on_with_no_duplicate(api: Api) -> None:
    api.record(occurred_at="2026-11-23T11:00:00Z")
    answers = [
        api.post({**ADA, "occurred_at": f"2026-11-23T11:0{minute}:30Z"}) for minute in (1, 3, 4)
    ]

    # 11:01:30 is a duplicate of 11:00 and leaves no trace; 11:03:30 is news, 11:04:30 its twin.
    assert [answer.status_code for answer in answers] == [200, 201, 200]


def test_a_duplicate_is_answered_with_the_first_record(api: Api) -> None:
    first = api.record()

    answer = api.post({**ADA, "note": "again"})

    body = answer.get_json()
    assert body["attendance"] == first
    assert body["status"] == "SUCCESS"
    assert body["notifications"] == []
    assert answer.headers["Location"] == f"/attendance/{first['id']}"


def test_a_duplicate_is_audited_and_sends_nothing(api: Api) -> None:
    api.record()
    api.post(ADA)

    assert len(api.rows("SELECT * FROM attendance")) == len(api.rows("SELECT * FROM outbox")) == 1
    assert [entry["outcome"] for entry in api.audited()] == ["success", "deduplicated"]
    assert api.audited()[1]["target_id"] == "1"


def test_a_duplicate_from_another_device_is_one_too(api: Api) -> None:
    api.record()
    other = api.make_key("other door", "frontend")

    assert api.post(ADA, role=None, key=other).get_json()["deduplicated"] is True


@pytest.mark.parametrize(("seconds", "status"), [("0", 201), ("1", 200), ("0.5", 200)])
def test_the_operator_decides_how_long_it_is(
    make_api: Callable[..., Api], seconds: str, status: int
) -> None:
    api = make_api(DEDUPE_SECONDS=seconds)
    api.record()
    api.clock.advance(0.5)

    assert api.post(ADA).status_code == status


def test_of_ten_presses_at_once_one_is_recorded(api: Api) -> None:
    answers = at_once(10, lambda _: api.post(ADA))

    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    assert len(api.rows("SELECT * FROM outbox")) == 1
