"""Requests of each kind, in an order in which each finds what it needs, and what came of them."""

from typing import Any

from calling import ADA, Api

Answer = tuple[int, list[tuple[str, str]], bytes]

FULL = {
    **ADA,
    "occurred_at": "2026-11-23T11:00:00+01:00",
    "site": '“Wörk” \\ "north"',
    "group": "night",
    "note": "a\nb\tc 😀 \u2028",
    "location": {"lat": 52.5, "lon": -1e-7, "accuracy_m": 12},
    "client_event_id": "c-1",
    "timezone": "Europe/Berlin",
}
BOB = {"person_id": "bob", "event": "late"}
JSON = {"Content-Type": "application/json"}

REQUESTS: list[tuple[str, str, str | None, dict[str, Any]]] = [
    ("POST", "/attendance", "frontend", {"json": ADA}),
    ("POST", "/attendance", "frontend", {"json": ADA}),
    ("POST", "/attendance", "frontend", {"json": FULL}),
    ("POST", "/attendance", "frontend", {"json": FULL}),
    ("POST", "/attendance", "frontend", {"json": {**FULL, "event": "late"}}),
    ("POST", "/attendance", "admin", {"json": BOB, "headers": {"Idempotency-Key": "k"}}),
    ("POST", "/attendance", "admin", {"json": BOB, "headers": {"Idempotency-Key": "k"}}),
    ("POST", "/attendance", "admin", {"json": ADA, "headers": {"Idempotency-Key": "k"}}),
    ("POST", "/attendance", "admin", {"json": ADA, "headers": {"Idempotency-Key": ""}}),
    ("POST", "/attendance", "frontend", {"json": {"event": 1, "<b>": 2}}),
    ("POST", "/attendance", "frontend", {"data": b"{", "headers": JSON}),
    ("POST", "/attendance", "frontend", {"data": b"{}", "content_type": "text/plain"}),
    ("POST", "/attendance", "frontend", {"data": b" " * 70_000, "headers": JSON}),
    ("POST", "/attendance", "frontend", {"data": b" " * 1_100_000, "headers": JSON}),
    ("POST", "/attendance", "auditor", {"json": ADA}),
    ("POST", "/attendance", None, {"json": ADA}),
    ("POST", "/attendance/1/amend", "admin", {"json": {"reason": "typo", "note": "late"}}),
    ("POST", "/attendance/2/void", "frontend", {"json": {"reason": "twice"}}),
    ("POST", "/attendance/2/void", "admin", {"json": {"reason": "twice"}}),
    ("POST", "/attendance/99/void", "admin", {"json": {"reason": "nothing"}}),
    ("GET", "/attendance?limit=2", "admin", {}),
    ("GET", "/attendance?limit=2&limit=3", "admin", {}),
    ("GET", "/attendance?cursor=forged", "admin", {}),
    ("HEAD", "/attendance", "admin", {}),
    ("OPTIONS", "/attendance", "admin", {}),
    ("PUT", "/attendance", "admin", {}),
    ("GET", "/attendance", "admin", {"headers": {"Cookie": "session=eyJhIjoxfQ.x.y"}}),
    ("GET", "/attendance/1", "admin", {}),
    ("GET", "/attendance/1", "admin", {"headers": {"Host": "another.example:81"}}),
    ("GET", "/attendance/1", "admin", {"headers": {"Host": "[::1"}}),
    ("GET", "/attendance/", "admin", {}),
    ("GET", "/nothing", "admin", {}),
    ("GET", "/outbox", "admin", {}),
    ("GET", "/outbox/1", "auditor", {}),
    ("POST", "/outbox/1/cancel", "admin", {"json": {"reason": "no"}}),
    ("POST", "/outbox/1/retry", "admin", {}),
    ("POST", "/outbox/retry", "admin", {"json": {"ids": [1, 2]}}),
    ("GET", "/audit", "auditor", {}),
    ("GET", "/audit/export?format=csv", "auditor", {}),
    ("GET", "/audit/export?format=jsonl", "auditor", {}),
    ("GET", "/livez", None, {}),
    ("GET", "/readyz", None, {}),
    ("GET", "/readyz?verbose", None, {}),
    ("GET", "/metrics", None, {}),
]
"""Method, path, whose key, and what else."""


def answers(api: Api) -> list[Answer]:
    """The status, the headers and the body of the answer to each of `REQUESTS`."""
    return [_answer(api, number) for number in range(len(REQUESTS))]


def _answer(api: Api, number: int) -> Answer:
    method, path, role, options = REQUESTS[number]
    headers = {"X-Request-Id": f"request-{number}", **options.get("headers", {})}
    answer = api.call(method, path, role=role, **{**options, "headers": headers})  # type: ignore[arg-type]
    return answer.status_code, sorted(answer.headers.to_wsgi_list()), answer.data
