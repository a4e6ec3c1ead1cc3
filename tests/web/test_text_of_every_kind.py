"""Whatever text a client sends, in whatever place, it is answered and crashes nothing.

The oracle is the trail: what crashes leaves a row there, and a 500.
"""

from typing import Any
from urllib.parse import quote

import pytest
from calling import ADA, Api, assert_problem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from attendance.web.schemas import (
    AmendIn,
    AttendanceIn,
    AttendanceQuery,
    AuditExportQuery,
    AuditQuery,
    ChangeIn,
    OutboxQuery,
    RetryIn,
    VoidIn,
)

pytestmark = pytest.mark.both_databases

QUERIES: dict[str, type[BaseModel]] = {
    "/attendance": AttendanceQuery,
    "/outbox": OutboxQuery,
    "/audit": AuditQuery,
    "/audit/export": AuditExportQuery,
}
BODIES: dict[str, type[BaseModel]] = {
    "/attendance": AttendanceIn,
    "/attendance/<id:attendance_id>/void": VoidIn,
    "/attendance/<id:attendance_id>/amend": AmendIn,
    "/outbox/<id:message_id>/retry": ChangeIn,
    "/outbox/<id:message_id>/cancel": ChangeIn,
    "/outbox/retry": RetryIn,
}
WITHOUT = {
    *("/livez", "/healthz", "/readyz", "/metrics"),
    *("/attendance/<id:attendance_id>", "/outbox/<id:message_id>"),
}
"""They take neither a query nor a body."""

FULL: dict[str, dict[str, Any]] = {
    "/attendance": ADA,
    "/attendance/<id:attendance_id>/void": {"reason": "why"},
    "/attendance/<id:attendance_id>/amend": {"reason": "why", "note": "new"},
}
NUL = "a\x00b"
TEXT = st.one_of(st.just(NUL), st.text(max_size=40), st.sampled_from(["\ud800", "\x85", "\u202e"]))
QUERY_FIELDS = [
    (path, field.alias or name)
    for path, model in QUERIES.items()
    for name, field in model.model_fields.items()
]
BODY_FIELDS = [(path, name) for path, model in BODIES.items() for name in model.model_fields]
HEADERS = ["X-Request-Id", "Idempotency-Key", "User-Agent", "Traceparent", "X-Forwarded-For"]


def crashes(api: Api) -> list[dict[str, Any]]:
    return api.rows("SELECT * FROM audit WHERE outcome = 'crashed'")


def addressed(path: str) -> str:
    return path.replace("<id:attendance_id>", "1").replace("<id:message_id>", "1")


def asked(api: Api, path: str, name: str, text: str) -> int:
    """GET with this in the query, in UTF-8 where it can be."""
    value = quote(text.encode("utf-8", "surrogatepass"))
    return api.get(f"{path}?{name}={value}").status_code


def test_every_route_is_in_one_of_the_tables(api: Api) -> None:
    there = {rule.rule for rule in api.app.url_map.iter_rules()}
    assert there == {*QUERIES, *BODIES, *WITHOUT}


@pytest.mark.parametrize(("path", "name"), QUERY_FIELDS)
def test_nul_in_a_query_is_refused_and_named(path: str, name: str, api: Api) -> None:
    problem = assert_problem(api.get(f"{path}?{name}=a%00b"), 422)
    assert name in problem["errors"][0]["pointer"]
    assert crashes(api) == []


@pytest.mark.parametrize(("path", "name"), BODY_FIELDS)
def test_nul_in_a_body_is_refused_and_named(path: str, name: str, api: Api) -> None:
    api.record()
    answer = api.post({**FULL.get(path, {}), name: NUL}, addressed(path), role="admin")
    problem = assert_problem(answer, 422)
    assert name in problem["errors"][0]["pointer"]
    assert crashes(api) == []


@pytest.mark.slow
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=TEXT)
def test_no_text_in_any_place_crashes_a_request(text: str, api: Api) -> None:
    said = [asked(api, path, name, text) for path, name in QUERY_FIELDS]
    for path, name in BODY_FIELDS:
        body = {**FULL.get(path, {}), name: text}
        said.append(api.post(body, addressed(path), role="admin").status_code)
    for header in HEADERS:
        in_latin = text.encode("utf-8", "replace").decode("latin-1")
        one_line = in_latin.replace("\r", "").replace("\n", "")
        said.append(api.post(ADA, headers={header: one_line}).status_code)
    said.append(api.get(f"/attendance/{quote(text.encode('utf-8', 'replace'))}").status_code)
    assert max(said) < 500
    assert crashes(api) == []
