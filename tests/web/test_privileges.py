"""A role on PostgreSQL that lacks a GRANT: it is named wherever somebody looks, and nothing that
somebody might do about it does harm."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from calling import Api, assert_problem
from click.testing import CliRunner, Result
from ports import free_port
from postgres_server import PostgresServer

from attendance.cli import main

ROLE = "short_of_grants"
BODY = {"person_id": "p1", "event": "check_in"}
TABLES = f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ROLE}"
SEQUENCES = f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {ROLE}"

Grant = Callable[..., str]


@pytest.fixture
def granted(postgres: PostgresServer, postgres_url: str) -> Iterator[Grant]:
    """Give the role what is asked; the database's URL with it."""
    name = postgres_url.split("/")[3].partition("?")[0]
    postgres.execute(f"CREATE ROLE {ROLE} LOGIN")

    def grant(*statements: str) -> str:
        for statement in statements:
            postgres.execute(statement, name)
        return postgres_url.replace("postgres@", f"{ROLE}@")

    yield grant
    postgres.execute(f"DROP OWNED BY {ROLE}", name)
    postgres.execute(f"DROP ROLE {ROLE}")


def _run(url: str, *arguments: str) -> Result:
    environ = {"DATABASE_URL": url, "BIND": f"127.0.0.1:{free_port()}"}
    return CliRunner().invoke(main, arguments, env=environ)


def _failures(url: str) -> list[dict[str, Any]]:
    """Beside that these tests run without fsync."""
    result = _run(url, "doctor", "--json")
    return [
        one
        for one in json.loads(result.stdout)
        if one["state"] == "fail" and one["subject"] != "postgresql"
    ]


def _without(privilege: str) -> tuple[str, ...]:
    return TABLES, SEQUENCES, f"REVOKE {privilege} FROM {ROLE}"


def test_a_role_with_the_documented_grants_lacks_nothing(
    granted: Grant, make_api: Callable[..., Api]
) -> None:
    url = granted(TABLES, SEQUENCES)
    api = make_api(DATABASE_URL=url)

    assert api.get("/readyz", role=None).status_code == 200
    assert api.post(BODY, role="frontend").status_code == 201
    assert _failures(url) == []


@pytest.mark.parametrize(
    ("statements", "lacks", "grant"),
    [
        ((TABLES,), "USAGE on the sequence", SEQUENCES),
        (_without("INSERT ON outbox"), "INSERT on the table outbox", TABLES),
    ],
)
def test_a_service_that_may_not_write_is_not_ready_and_says_what_to_grant(
    granted: Grant,
    make_api: Callable[..., Api],
    statements: tuple[str, ...],
    lacks: str,
    grant: str,
) -> None:
    url = granted(*statements)
    api = make_api(DATABASE_URL=url)

    ready = api.get("/readyz", role=None)
    posted = api.post(BODY, role="frontend")
    (found,) = _failures(url)

    assert_problem(ready, 503, "not_ready")
    assert_problem(posted, 503, "storage_unavailable")
    assert "does not let the service write" in posted.get_json()["detail"]
    for told in (ready.get_json()["detail"], f"{found['found']}. {found['remedy']}"):
        assert f"{ROLE} has no {lacks}" in told
        assert f"{grant};" in told
        assert 'see "Roles on PostgreSQL" in docs/postgresql.md' in told
        assert "\n" not in told


def test_what_only_the_delivery_needs_is_the_doctor_s_to_tell(
    granted: Grant, make_api: Callable[..., Api]
) -> None:
    url = granted(*_without("DELETE ON outbox"))

    assert make_api(DATABASE_URL=url).get("/readyz", role=None).status_code == 200
    assert [one["found"] for one in _failures(url)] == [f"{ROLE} has no DELETE on the table outbox"]


def test_what_the_trail_refuses_to_everybody_may_be_kept_from_the_role(granted: Grant) -> None:
    assert _failures(granted(*_without("UPDATE, DELETE ON audit"))) == []


@pytest.mark.parametrize("command", [("doctor",), ("keys", "list"), ("serve",)])
def test_a_role_without_any_grant_is_told_of_them_and_not_of_a_backup(
    granted: Grant, command: tuple[str, ...]
) -> None:
    result = _run(granted(), *command)

    assert result.exit_code == 1
    (line,) = [one for one in result.output.splitlines() if "permission denied for" in one]
    assert 'grants what is missing, and runs `db upgrade` and `audit prune`: see "Roles' in line
    assert "backup" not in result.output
    assert "Traceback" not in result.output
