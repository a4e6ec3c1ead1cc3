"""Who may call what, and that every refusal is in the trail."""

import json
from typing import Any

import pytest
from calling import ADA, PROBLEM, Api, assert_problem

from attendance.models import Role

EVERYBODY: set[Role | None] = {"frontend", "admin", "auditor", None}

ROUTES: list[tuple[str, str, set[Role | None]]] = [
    ("POST", "/attendance", {"frontend", "admin"}),
    ("GET", "/attendance", {"admin", "auditor"}),
    ("GET", "/attendance/1", {"frontend", "admin", "auditor"}),
    ("POST", "/attendance/1/void", {"frontend", "admin"}),
    ("POST", "/attendance/1/amend", {"admin"}),
    ("GET", "/outbox", {"admin", "auditor"}),
    ("GET", "/outbox/1", {"admin", "auditor"}),
    ("POST", "/outbox/1/retry", {"admin"}),
    ("POST", "/outbox/1/cancel", {"admin"}),
    ("POST", "/outbox/retry", {"admin"}),
    ("GET", "/audit", {"admin", "auditor"}),
    ("GET", "/livez", EVERYBODY),
    ("GET", "/healthz", EVERYBODY),
    ("GET", "/readyz", EVERYBODY),
    ("GET", "/audit/export", {"admin", "auditor"}),
    ("GET", "/metrics", EVERYBODY),  # from this machine
]

BODIES: dict[str, dict[str, str]] = {
    "/attendance": ADA,
    "/attendance/1/void": {"reason": "by mistake"},
    "/attendance/1/amend": {"reason": "by mistake", "event": "late"},
}


@pytest.mark.parametrize("role", ["frontend", "admin", "auditor", None])
@pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
def test_each_address_answers_the_roles_of_the_contract(
    api: Api, method: str, path: str, allowed: set[Role | None], role: Role | None
) -> None:
    body = json.dumps(BODIES.get(path, {}))

    answer = api.call(method, path, role=role, content_type="application/json", data=body)

    if role in allowed:
        assert answer.status_code in {200, 201, 404}
    elif role is None:
        assert_problem(answer, 401, "unauthenticated")
    else:
        problem = assert_problem(answer, 403, "forbidden")
        assert f"role {role}" in problem["detail"]


def test_the_table_has_every_route(api: Api) -> None:
    routes = {
        (method, rule.rule.replace("<id:attendance_id>", "1").replace("<id:message_id>", "1"))
        for rule in api.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }

    assert routes == {(method, path) for method, path, _ in ROUTES}


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Bearer att_" + "y" * 43,
        "Bearer \x00",
        "Bearer ÿÿÿ",
        "Basic YWRhOmFkYQ==",
        "Token {key}",
        "{key}",
        "Bearer{key}",
        "Bearer {key}x",
        'Bearer "{key}"',
        "Bearer {hash}",
    ],
)
def test_without_a_live_key_there_is_a_401(api: Api, header: str | None) -> None:
    stored = api.rows("SELECT key_hash FROM api_key WHERE name = 'frontend'")[0]["key_hash"]
    headers = {}
    if header is not None:
        headers["Authorization"] = header.format(key=api.keys["frontend"], hash=stored)

    answer = api.post(ADA, role=None, headers=headers)

    assert_problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert api.rows("SELECT * FROM attendance") == []


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
@pytest.mark.parametrize("space", [" ", "  "])
def test_the_scheme_is_read_in_any_case(api: Api, scheme: str, space: str) -> None:
    headers = {"Authorization": f"{scheme}{space}{api.keys['frontend']}"}

    assert api.post(ADA, role=None, headers=headers).status_code == 201


def test_a_revoked_key_ends_at_once(api: Api) -> None:
    assert api.post(ADA).status_code == 201

    api.revoke_key("frontend")

    assert_problem(api.post(ADA), 401)


def test_a_rotated_key_ends_and_its_successor_works(api: Api) -> None:
    successor = api.rotate_key("frontend")

    assert_problem(api.post(ADA), 401)
    assert api.post(ADA, role=None, key=successor).status_code == 201


def test_a_key_is_kept_as_a_hash_only(api: Api) -> None:
    api.record()
    api.post(ADA, role="auditor")

    tables = [row["name"] for row in api.rows("SELECT name FROM sqlite_master WHERE type='table'")]
    stored = str([api.rows(f"SELECT * FROM {table}") for table in tables])  # noqa: S608
    assert not [key for key in api.keys.values() if key in stored]


def test_a_refusal_of_a_stranger_is_audited_with_all_that_is_known(api: Api) -> None:
    answer = api.post(ADA, role=None, headers={"User-Agent": "kiosk/1.0", "X-Request-Id": "req-1"})

    assert answer.status_code == 401
    (entry,) = api.audited()
    known = {name: entry[name] for name in ("action", "outcome", "actor_type", "actor_id")}
    assert known == {
        "action": "attendance.recorded",
        "outcome": "refused",
        "actor_type": "anonymous",
        "actor_id": None,
    }
    assert (entry["request_id"], entry["source_ip"]) == ("req-1", "127.0.0.1")
    assert entry["user_agent"] == "kiosk/1.0"
    assert json.loads(entry["after_json"]) == {
        "status": 401,
        "code": "unauthenticated",
        "duration_ms": 0,
    }


@pytest.mark.parametrize(
    ("role", "body", "status"),
    [("auditor", ADA, 403), ("frontend", {"event": "late"}, 422), ("frontend", b"{", 400)],
)
def test_a_refusal_of_a_known_key_is_audited_under_its_name(
    api: Api, role: Role, body: object, status: int
) -> None:
    assert api.post(body, role=role).status_code == status

    (entry,) = api.audited()
    assert (entry["actor_type"], entry["actor_name"]) == ("key", role)
    assert json.loads(entry["after_json"])["status"] == status
    assert entry["reason"]


def test_a_refusal_is_never_announced(api: Api) -> None:
    api.post(ADA, role="auditor")
    api.post(ADA, role=None)

    assert api.rows("SELECT * FROM outbox") == []


def test_who_was_refused_a_look_is_audited(api: Api) -> None:
    assert api.get("/audit", role="frontend").status_code == 403
    assert api.get("/attendance/1", role=None).status_code == 401

    forbidden, unknown = api.audited()
    assert (forbidden["action"], forbidden["outcome"]) == ("api.read", "refused")
    assert (forbidden["actor_name"], unknown["actor_type"]) == ("frontend", "anonymous")
    assert json.loads(forbidden["after_json"])["address"] == "GET /audit"


def test_what_is_wrong_with_a_question_is_not(api: Api) -> None:
    assert api.get("/audit?nonsense=1").status_code == 422
    assert api.get("/attendance/99").status_code == 404

    assert api.audited() == []


def test_a_flood_of_refusals_writes_few_rows(api: Api) -> None:
    for _ in range(50):
        assert api.post(ADA, role=None).status_code == 401
    api.clock.advance(60)
    api.post(ADA, role=None)

    *single, counted, last = api.audited()
    assert len(single) == 10
    assert json.loads(counted["after_json"])["repeated"] == 40
    assert last["reason"] == single[0]["reason"]


@pytest.mark.parametrize(
    ("traceparent", "trace_id"),
    [
        (
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "4bf92f3577b34da6a3ce929d0e0e4736",
        ),
        ("00-4bf92f3577b34da6-00f067aa0ba902b7-01", None),
        ("nonsense", None),
    ],
)
def test_the_trace_of_a_request_is_in_the_trail(
    api: Api, traceparent: str, trace_id: str | None
) -> None:
    api.post(ADA, headers={"traceparent": traceparent})

    (entry,) = api.audited()
    assert entry["trace_id"] == trace_id


def test_a_long_user_agent_is_cut(api: Api) -> None:
    api.post(ADA, headers={"User-Agent": "x" * 5000})

    assert api.audited()[0]["user_agent"] == "x" * 256


def test_the_last_use_of_a_key_is_noted_at_most_once_a_minute(api: Api) -> None:
    noted: list[Any] = []
    for person in ("ada", "ben", "eva"):
        api.record(person_id=person)
        row = api.rows("SELECT last_used_at FROM api_key WHERE name = 'frontend'")[0]
        noted.append(row["last_used_at"])
        api.clock.advance(40)

    assert noted == [
        "2026-11-23T12:00:00.000000Z",
        "2026-11-23T12:00:00.000000Z",
        "2026-11-23T12:01:20.000000Z",
    ]


def last_used(api: Api, role: str) -> Any:
    return api.rows(f"SELECT last_used_at FROM api_key WHERE name = '{role}'")[0]["last_used_at"]  # noqa: S608


@pytest.mark.parametrize("path", ["/attendance", "/outbox", "/audit"])
def test_a_read_is_a_use_that_is_written_after_it_and_once_a_minute(api: Api, path: str) -> None:
    noted: list[Any] = []
    for _ in range(3):
        assert api.call("GET", path, role="auditor").status_code == 200
        before = last_used(api, "auditor")
        api.services.uses.write(api.services.database)
        noted.append((before, last_used(api, "auditor")))
        api.clock.advance(40)

    first, second = "2026-11-23T12:00:00.000000Z", "2026-11-23T12:01:20.000000Z"
    assert noted == [(None, first), (first, first), (first, second)]


def test_a_use_that_is_written_late_takes_no_later_one_back(api: Api) -> None:
    api.call("GET", "/outbox")
    api.clock.advance(70)
    api.post(ADA, role="admin")
    api.services.uses.write(api.services.database)

    assert last_used(api, "admin") == "2026-11-23T12:01:10.000000Z"


def test_a_refused_read_is_no_use(api: Api) -> None:
    assert api.call("GET", "/outbox", role="frontend").status_code == 403
    api.services.uses.write(api.services.database)

    assert last_used(api, "frontend") is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/outbox/retry"),
        ("POST", "/outbox/1/retry"),
        ("POST", "/outbox/1/cancel"),
        ("GET", "/audit/export"),
    ],
)
def test_what_is_no_record_is_a_use_too(api: Api, method: str, path: str) -> None:
    api.post(ADA)
    api.call(method, path)

    assert last_used(api, "admin") == "2026-11-23T12:00:00.000000Z"


def test_a_refusal_is_no_page(api: Api) -> None:
    answer = api.post(ADA, role=None, headers={"Accept": "text/html"})

    assert answer.content_type == PROBLEM


def test_a_key_that_is_sent_in_other_headers_reaches_no_trail(api: Api) -> None:
    key = api.keys["frontend"]
    answer = api.post(ADA, headers={"User-Agent": f"kiosk {key}", "X-Request-Id": key})

    (entry,) = api.audited()
    assert key not in str(entry)
    assert entry["user_agent"].startswith("kiosk ")
    assert answer.headers["X-Request-Id"] == key  # as it was sent
    assert entry["request_id"] == "[secret]"
