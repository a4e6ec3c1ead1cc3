"""GET /audit/export: exactly the filter's rows, as CSV or JSON lines, and noted in the trail."""

import csv
import io
import json
from typing import Any

import pytest
from calling import ADA, Api, assert_problem

from attendance.audit import listing
from attendance.config.capacity import STREAMS
from attendance.db import SqliteDatabase

pytestmark = pytest.mark.both_databases

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"]


def lines(api: Api, query: str = "") -> list[dict[str, Any]]:
    answer = api.get(f"/audit/export?format=jsonl{query}", role="auditor")
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def cells(api: Api, query: str = "") -> list[dict[str, str]]:
    answer = api.get(f"/audit/export?format=csv{query}", role="auditor")
    assert answer.mimetype == "text/csv"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


@pytest.mark.slow
def test_every_row_is_in_it_once_the_oldest_first(api: Api) -> None:
    api.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100) "
        "INSERT INTO audit (occurred_at, actor_type, action, outcome, host, schema_version) "
        "SELECT '2026-11-23T12:00:00.000000Z', 'service', 'a.b', 'success', 'h', 1 FROM n"
    )
    ids = [row["id"] for row in api.rows("SELECT id FROM audit ORDER BY id")]

    assert [row["id"] for row in lines(api)] == ids
    assert [int(row["id"]) for row in cells(api)] == [*ids, ids[-1] + 1]  # and the first export


@pytest.mark.parametrize(
    ("query", "outcomes"),
    [
        ("&outcome=refused", ["refused"]),
        ("&actor=frontend", ["success"]),
        ("&action=nothing", []),
        ("&from=2026-11-23T12:00:01Z&outcome=refused", ["refused"]),
    ],
)
def test_it_takes_the_list_s_filters(api: Api, query: str, outcomes: list[str]) -> None:
    api.post(ADA)
    api.clock.advance(60)
    api.post(ADA, role=None)

    assert [row["outcome"] for row in lines(api, query)] == outcomes
    assert [row["outcome"] for row in cells(api, query)] == outcomes


def test_an_export_is_an_act_in_the_trail_and_not_in_itself(api: Api) -> None:
    api.post(ADA)
    exported = lines(api, "&actor=frontend&from=2026-11-23T01:00:00%2B01:00")

    [entry] = [row for row in api.audited() if row["action"] == "audit.exported"]
    assert entry["id"] not in {row["id"] for row in exported}
    assert entry["actor_name"] == "auditor"
    after = json.loads(entry["after_json"])
    asked = {"actor": "frontend", "since": "2026-11-23T00:00:00.000000Z"}
    assert (after["format"], after["filter"]) == ("jsonl", asked)


@pytest.mark.slow
@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_takes_for_a_formula_begins_with_an_apostrophe(
    api: Api, text: str
) -> None:
    api.execute(
        "INSERT INTO audit (occurred_at, actor_type, action, outcome, host, schema_version, reason)"
        " VALUES ('2026-11-23T12:00:00.000000Z', 'service', 'a.b', 'success', 'h', 1, ?)",
        text,
    )

    assert cells(api, "&action=a.b")[0]["reason"] == f"'{text}"
    assert cells(api, "&action=a.b&raw=1")[0]["reason"] == text
    assert lines(api, "&action=a.b")[0]["reason"] == text


def test_a_time_that_is_none_hides_nothing(api: Api) -> None:
    """A stranger's row may hold anything, and must not keep an auditor from the rest."""
    on_sqlite = isinstance(api.services.database, SqliteDatabase)
    time, shown = ("noon", "noon") if on_sqlite else ("-infinity", None)
    row = (
        "INSERT INTO audit (occurred_at, actor_type, action, outcome, host, schema_version)"
        " VALUES ('{}', 'service', 'a.b', 'success', 'h', 1)"
    )
    api.execute(row.format(time))
    api.post(ADA)

    for told in lines(api), cells(api), api.page("/audit"):
        assert {row["action"]: row["occurred_at"] or None for row in told}["a.b"] == shown
        assert "attendance.recorded" in {row["action"] for row in told}


@pytest.mark.sqlite_only
@pytest.mark.parametrize("value", ["x'61ff'", "CAST(x'61ff' AS TEXT)"])
@pytest.mark.parametrize("column", ["reason", "occurred_at"])
def test_nor_does_what_is_no_text(api: Api, column: str, value: str) -> None:
    """Where a server would refuse it, a file takes anything."""
    api.post(ADA)
    given = {"occurred_at": "'2026-11-23T12:00:00.000000Z'", "reason": "''", column: value}
    row = (
        "INSERT INTO audit (actor_type, action, outcome, host, schema_version, occurred_at, reason)"
        " VALUES ('service', 'a.b', 'success', 'h', 1, {occurred_at}, {reason})"
    )
    api.execute(row.format(**given))

    for told in lines(api), cells(api), api.page("/audit"):
        assert {row["action"]: row[column] for row in told}["a.b"] == "a\ufffd"
        assert "attendance.recorded" in {row["action"] for row in told}


def test_every_column_is_there(api: Api) -> None:
    columns = [column.name for column in listing.COLUMNS]

    assert list(lines(api)[0]) == columns
    assert list(cells(api)[0]) == columns


@pytest.mark.parametrize("query", ["format=xml", "limit=5", "cursor=x", "raw=maybe"])
def test_what_it_does_not_take_is_refused(api: Api, query: str) -> None:
    assert_problem(api.get(f"/audit/export?{query}"), 422)


def test_a_stream_that_breaks_off_is_a_crash_in_the_trail(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status was 200 by then: what the client sees is an answer without an end."""
    pages = iter([[{"id": 1}]])
    monkeypatch.setattr(listing, "oldest", lambda *_, **__: next(pages))
    answer = api.get("/audit/export?format=jsonl", headers={"X-Request-Id": "req-1"})
    parts = answer.iter_encoded()

    assert next(parts) == b'{"id": 1}\n'
    with pytest.raises(RuntimeError):
        next(parts)
    begun, broken = api.audited()
    assert [begun["outcome"], broken["outcome"]] == ["success", "crashed"]
    for entry in begun, broken:
        assert (entry["action"], entry["actor_name"]) == ("audit.exported", "admin")
        assert (entry["request_id"], entry["source_ip"]) == ("req-1", "127.0.0.1")
    assert json.loads(broken["after_json"])["code"] == "broken_off"


def test_a_client_that_goes_away_is_no_crash_and_the_trail_says_that_it_did(api: Api) -> None:
    answer = api.get("/audit/export?format=jsonl")
    answer.close()

    begun, gone = api.audited()
    assert [begun["outcome"], gone["outcome"]] == ["success", "refused"]
    assert json.loads(gone["after_json"])["code"] == "not_taken"


def test_as_many_exports_as_may_be_are_under_way_and_the_next_is_refused_unbegun(api: Api) -> None:
    under_way = [api.get("/audit/export?format=jsonl") for _ in range(STREAMS)]
    refused = api.get("/audit/export?format=jsonl")

    assert_problem(refused, 503, "busy")
    assert int(refused.headers["Retry-After"]) > 0
    assert [entry["outcome"] for entry in api.audited()] == [*["success"] * STREAMS, "refused"]
    for answer in reversed(under_way):  # as Flask wants it of one thread
        answer.close()
    assert [line["id"] for line in lines(api)]  # there is room again


def test_an_export_that_cannot_begin_leaves_its_room_to_others(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("attendance.audit.export.begin", None)
        for _ in range(STREAMS + 1):
            assert api.get("/audit/export").status_code == 500
    assert api.get("/audit/export").status_code == 200


def test_a_frontend_gets_none(api: Api) -> None:
    assert_problem(api.get("/audit/export", role="frontend"), 403)
    [entry] = api.audited()
    assert (entry["action"], entry["outcome"]) == ("audit.exported", "refused")
