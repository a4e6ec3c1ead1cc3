"""/audit: the trail, for auditors."""

import json

import pytest
from calling import ADA, Api, assert_problem

from attendance.audit import listing

pytestmark = pytest.mark.both_databases


@pytest.fixture
def trail(api: Api) -> Api:
    """Four acts: a record, its duplicate a minute later, a refusal, and a retry."""
    api.post(ADA, headers={"X-Request-Id": "req-record"})
    api.clock.advance(60)
    api.post(ADA, headers={"X-Request-Id": "req-twin"})
    api.clock.advance(60)
    api.post(ADA, role=None, headers={"X-Request-Id": "req-stranger"})
    api.clock.advance(60)
    api.settle(1, "failed")
    api.post(
        {"reason": "x"}, "/outbox/1/retry", role="admin", headers={"X-Request-Id": "req-retry"}
    )
    return api


@pytest.mark.parametrize(
    ("query", "requests"),
    [
        ("actor=frontend", ["req-twin", "req-record"]),
        ("actor=admin", ["req-retry"]),
        ("actor=2&action=outbox.retried", ["req-retry"]),  # the admin key's id
        ("actor=nobody", []),
        ("action=outbox.retried", ["req-retry"]),
        ("action=attendance.recorded", ["req-stranger", "req-twin", "req-record"]),
        ("action=attendance", []),
        ("target=attendance:1", ["req-twin", "req-record"]),
        ("target=outbox:1", ["req-retry"]),
        ("target=1&action=attendance.recorded", ["req-twin", "req-record"]),
        ("target=attendance:2", []),
        ("outcome=deduplicated", ["req-twin"]),
        ("outcome=refused", ["req-stranger"]),
        ("request_id=req-retry", ["req-retry"]),
        ("from=2026-11-23T12:01:00Z", ["req-retry", "req-stranger", "req-twin"]),
        ("from=2026-11-23T12:01:00Z&to=2026-11-23T12:02:00Z", ["req-twin"]),
        ("from=2026-11-23T12:00:01Z&outcome=success", ["req-retry"]),
    ],
)
def test_each_filter(trail: Api, query: str, requests: list[str]) -> None:
    assert [row["request_id"] for row in trail.page(f"/audit?{query}")] == requests


def test_the_newest_comes_first_and_every_column_is_shown(trail: Api) -> None:
    rows = trail.page("/audit")

    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    assert list(rows[0]) == [column.name for column in listing.COLUMNS]
    assert rows[0]["occurred_at"] == "2026-11-23T12:03:00.000000Z"
    assert json.loads(rows[0]["after_json"]) == {"status": "pending"}


@pytest.mark.parametrize("query", ["from=yesterday", "to=1", "since=2026-11-23", "id=1"])
def test_a_filter_that_there_is_not_is_refused(api: Api, query: str) -> None:
    assert_problem(api.get(f"/audit?{query}"), 422)


def test_an_auditor_may_read_what_a_frontend_may_not(trail: Api) -> None:
    assert trail.get("/audit", role="auditor").status_code == 200
    assert_problem(trail.get("/audit", role="frontend"), 403)
