"""The documented role for the service: it records, delivers and seals, and owns nothing."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from postgres_server import PostgresServer
from service import NO_LIMITS, Client, Service

from attendance.sandbox import Sandbox

PAGE = Path(__file__).parents[2] / "docs" / "postgresql.md"
ROLE = "attendance_service"


@pytest.fixture
def url_of_the_role(postgres: PostgresServer, postgres_url: str) -> Iterator[str]:
    name = postgres_url.split("/")[3].partition("?")[0]
    granted = re.search(
        r"-- in it, .*?\n(GRANT .*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert granted is not None
    postgres.execute(f"CREATE ROLE {ROLE} LOGIN")
    try:
        for statement in granted[1].strip().split("\n"):
            postgres.execute(statement, name)
        yield postgres_url.replace("postgres@", f"{ROLE}@")
    finally:
        postgres.execute(f"DROP OWNED BY {ROLE}", name)
        postgres.execute(f"DROP ROLE {ROLE}")


def test_a_service_that_owns_nothing_does_its_work_and_lifts_no_guard(
    url_of_the_role: str,
    sandbox: Sandbox,
    make_service: Callable[..., Service],
    make_client: Callable[..., Client],
) -> None:
    service = make_service(DATABASE_URL=url_of_the_role, **NO_LIMITS)
    client = make_client(service)
    assert [client.post(f"p{number}").status_code for number in range(3)] == [201] * 3
    assert len(sandbox.wait_for(3, timeout_seconds=20)) == 3
    service.stop()
    verified = service.manage("audit", "verify").stdout
    assert "The trail is intact." in verified
    assert "not sealed" not in verified
    with (
        psycopg.connect(url_of_the_role.replace("+psycopg", "")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("ALTER TABLE audit DISABLE TRIGGER audit_no_delete")
