"""The trail on a server: who can change it, who can read it, and in which order it is seen."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from postgres_server import PostgresServer
from trails import KEY, Trail

from attendance.audit import seals, triggers
from attendance.audit.verify import Scope, verify
from attendance.cli import main
from attendance.db import Database

PAGE = Path(__file__).parents[2] / "docs" / "auditor.md"
FORBIDDEN = [
    "INSERT INTO audit_leaf VALUES (9, 9, '')",
    "SELECT * FROM api_key",
    "UPDATE audit SET id = id",
    "DELETE FROM audit",
    "TRUNCATE audit",
    "ALTER TABLE audit DISABLE TRIGGER audit_no_delete",
]
OWN = {"audit": "id", "audit_leaf": "seq", "audit_seal": "id"}
CHANGES = [
    *(f"UPDATE {table} SET {column} = {column}" for table, column in OWN.items()),  # noqa: S608
    *(f"DELETE FROM {table}" for table in triggers.TABLES),  # noqa: S608
    *(f"TRUNCATE {table}" for table in triggers.TABLES),
    "INSERT INTO audit SELECT * FROM audit ON CONFLICT (id) DO UPDATE SET outcome = 'x'",
]


@pytest.fixture
def trail(postgres_url: str) -> Iterator[Trail]:
    database = Database.at(postgres_url)
    yield Trail(database)
    database.close()


@pytest.fixture
def stranger(trail: Trail, postgres: PostgresServer) -> Iterator["psycopg.Connection[Any]"]:
    """Somebody with psql, as the owner of all tables."""
    name = trail.database.name.split()[0]
    with postgres.stranger(name) as connection:
        yield connection
        connection.rollback()


@pytest.mark.parametrize("change", CHANGES)
def test_not_even_the_owner_changes_the_trail(trail: Trail, stranger: Any, change: str) -> None:
    trail.grow(3)
    with pytest.raises(psycopg.errors.IntegrityError, match="append-only"):
        stranger.execute(change)


@pytest.mark.parametrize("change", ["TRUNCATE correction", "TRUNCATE attendance CASCADE"])
def test_nor_does_anybody_empty_the_table_of_corrections(stranger: Any, change: str) -> None:
    with pytest.raises(psycopg.errors.IntegrityError, match="correction is append-only"):
        stranger.execute(change)


@pytest.mark.parametrize("change", ["DROP TRIGGER {} ON {}", "ALTER TABLE {1} DISABLE TRIGGER {0}"])
def test_a_guard_that_somebody_lifted_is_missed(trail: Trail, stranger: Any, change: str) -> None:
    assert missing(trail) == []
    stranger.execute(change.format("audit_leaf_no_truncate", "audit_leaf"))
    stranger.commit()
    assert missing(trail) == ["audit_leaf_no_truncate"]


def missing(trail: Trail) -> list[str]:
    with trail.database.snapshot() as connection:
        return triggers.missing(connection)


def test_pruning_lifts_the_guards_for_itself_alone(trail: Trail) -> None:
    trail.grow(3)

    def work(connection: Any) -> None:
        with triggers.deletion_allowed(connection):
            connection.exec_driver_sql("DELETE FROM audit_leaf")
        with pytest.raises(Exception, match="append-only"), connection.begin_nested():
            connection.exec_driver_sql("DELETE FROM audit_seal")

    trail.database.write(work)
    assert missing(trail) == []


def spoil(trail: Trail) -> None:
    """As the owner of the tables."""

    def work(connection: Any) -> None:
        connection.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER audit_no_update")
        connection.exec_driver_sql("UPDATE audit SET outcome = 'x' WHERE id = 1")

    trail.database.write(work)


@pytest.fixture
def auditor(stranger: Any) -> Iterator[Any]:
    """The same connection, with a role that the documented statements have made."""
    granted = re.search(
        r"```sql\n(CREATE ROLE auditor.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert granted is not None
    stranger.execute(granted[1])
    stranger.commit()
    stranger.execute("SET ROLE auditor")
    yield stranger
    stranger.rollback()
    stranger.execute("RESET ROLE")
    stranger.execute("DROP OWNED BY auditor; DROP ROLE auditor")
    stranger.commit()


def test_an_auditor_s_role_reads_and_cannot_write(trail: Trail, auditor: Any) -> None:
    trail.grow(2)
    for table in ("attendance", "correction", "outbox", "outbox_attempt", *triggers.TABLES):
        auditor.execute(f"SELECT * FROM {table}")  # noqa: S608
    for forbidden in FORBIDDEN:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), auditor.transaction():
            auditor.execute(forbidden)


@pytest.mark.usefixtures("auditor")
@pytest.mark.parametrize(("act", "code"), [(str, 0), (spoil, 1)])
def test_an_auditor_s_role_verifies_the_trail(
    trail: Trail, postgres_url: str, act: Any, code: int
) -> None:
    trail.grow(2)
    act(trail)
    environ = {"DATABASE_URL": postgres_url.replace("postgres@", "auditor@")}

    result = CliRunner().invoke(main, ["audit", "verify"], env=environ)

    assert result.exit_code == code, result.output


def test_an_auditor_s_role_exports_with_copy_and_not_with_what_audits_itself(
    trail: Trail, auditor: Any, postgres_url: str
) -> None:
    trail.grow(2)
    (copied,) = re.findall(r"\n\\copy (\(.*?\)) TO '.*?' (.*)\n", PAGE.read_text(encoding="utf-8"))
    with auditor.cursor().copy(f"COPY {copied[0]} TO STDOUT {copied[1]}") as rows:
        text = b"".join(rows).decode()
    assert len(list(csv.reader(io.StringIO(text)))) == 3
    environ = {"DATABASE_URL": postgres_url.replace("postgres@", "auditor@")}

    listed = CliRunner().invoke(main, ["audit", "list"], env=environ)
    exported = CliRunner().invoke(main, ["audit", "export"], env=environ)

    assert listed.exit_code == 0, listed.output
    assert exported.exit_code == 1
    assert "permission denied for table audit" in exported.output


@pytest.fixture
def service(stranger: Any) -> Iterator[str]:
    """A role that reads and writes all tables, and owns none."""
    tables = "ALL TABLES IN SCHEMA public"
    stranger.execute("CREATE ROLE pruner LOGIN")
    stranger.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO pruner")
    stranger.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO pruner")
    stranger.commit()
    yield "pruner@"
    stranger.rollback()
    stranger.execute("DROP OWNED BY pruner; DROP ROLE pruner")
    stranger.commit()


def test_pruning_by_another_than_the_owner_is_refused_and_in_nobody_s_way(
    trail: Trail, postgres_url: str, service: str, tmp_path: Path
) -> None:
    trail.grow(2, 2)
    archive = tmp_path / "old.jsonl"
    prune = ["audit", "prune", "--older-than", "2026-11-24", "--archive", str(archive)]

    environ = {"DATABASE_URL": postgres_url.replace("postgres@", service)}
    refused = CliRunner().invoke(main, prune, env=environ)
    assert refused.exit_code == 1
    assert "run `audit prune` with the DATABASE_URL of the role that runs" in refused.stderr
    assert not archive.exists()
    outcomes = trail.rows("SELECT outcome FROM audit WHERE action = 'audit.pruned'")
    assert outcomes == [{"outcome": "refused"}]

    done = CliRunner().invoke(main, prune, env={"DATABASE_URL": postgres_url})
    assert (done.exit_code, archive.exists()) == (0, True), done.output


def test_a_row_that_is_seen_late_is_sealed_nevertheless(
    trail: Trail, stranger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRAP 22: it got its id before those that were sealed long ago."""
    monkeypatch.setattr(seals, "LONGEST_TRANSACTION", timedelta())
    stranger.execute(
        "INSERT INTO audit (occurred_at, actor_type, action, outcome, host, schema_version) "
        "VALUES (now(), 'service', 'test.late', 'success', 'there', 1)"
    )
    seal_now(trail, 5)
    seal_now(trail, 5)
    assert settled_now(trail) == 0  # however long that takes
    stranger.commit()
    assert settled_now(trail) == 11  # and what is unsealed below is found before it is passed
    trail.seal()
    report = verify(trail.database, Scope(key=KEY))
    assert (report.rows, report.unsealed, report.findings) == (11, 0, [])


def seal_now(trail: Trail, rows: int) -> None:
    trail.now = trail.database.clock()
    trail.record(rows)
    trail.seal()


def settled_now(trail: Trail) -> int:
    with trail.database.snapshot() as connection:
        return seals.settled_id(connection, trail.database.clock())
