"""Units of work on PostgreSQL: run anew where that is right, and never where it is not known."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from postgres_server import HOW_TO_GET_IT, PostgresServer, binaries, running
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from attendance.db import Database, DatabaseError, PostgresDatabase, TooBusy, Unavailable
from attendance.db.postgres import engine as engine_module

PATIENCE_SECONDS = 30.0


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Database]:
    with postgres.fresh() as url:
        name = url.split("/")[3].partition("?")[0]
        postgres.execute("CREATE TABLE note (text text PRIMARY KEY, n int)", name)
        postgres.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '20ms'")
        database = Database.at(url)
        yield database
        database.close()


def run(connection: Connection, statement: str) -> Any:
    found = connection.exec_driver_sql(statement)
    return found.all() if found.returns_rows else None


def write(database: Database, *statements: str) -> None:
    database.write(lambda c: [run(c, statement) for statement in statements] and None)


def notes(database: Database) -> list[str]:
    with database.snapshot() as connection:
        return [row[0] for row in run(connection, "SELECT text FROM note ORDER BY text")]


def terminate(connection: Connection) -> None:
    """The server cuts the connection that asks for it."""
    run(connection, "SELECT pg_terminate_backend(pg_backend_pid())")


def at_once(*works: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(work) for work in works]]


def test_who_is_in_a_deadlock_is_run_anew(database: Database) -> None:
    write(database, "INSERT INTO note VALUES ('a', 0), ('b', 0)")
    meeting, runs = threading.Barrier(2), []

    def work(first: str, second: str) -> Callable[[Connection], None]:
        def both(connection: Connection) -> None:
            runs.append(first)
            run(connection, f"UPDATE note SET n = n + 1 WHERE text = '{first}'")  # noqa: S608 - constants
            if len(runs) <= 2:
                meeting.wait(PATIENCE_SECONDS)
            run(connection, f"UPDATE note SET n = n + 1 WHERE text = '{second}'")  # noqa: S608 - constants

        return both

    at_once(
        lambda: database.write(work("a", "b")),
        lambda: database.write(work("b", "a")),
    )
    with database.snapshot() as connection:
        assert run(connection, "SELECT n FROM note") == [(2,), (2,)]
    assert len(runs) == 3


def test_of_two_who_write_the_same_the_second_sees_the_first(database: Database) -> None:
    """As with one Idempotency-Key in two requests at once."""
    meeting, looks = threading.Barrier(2), []

    def work(connection: Connection) -> str:
        known = run(connection, "SELECT text FROM note")
        looks.append(known)
        if len(looks) <= 2:
            meeting.wait(PATIENCE_SECONDS)
        if known:
            return "known"
        run(connection, "INSERT INTO note VALUES ('a')")
        return "made"

    made = at_once(lambda: database.write(work), lambda: database.write(work))
    assert sorted(made) == ["known", "made"]


def test_what_would_be_refused_again_is_the_caller_s_own_error(database: Database) -> None:
    write(database, "INSERT INTO note VALUES ('a')")
    with pytest.raises(IntegrityError):
        write(database, "INSERT INTO note VALUES ('a')")
    with pytest.raises(LookupError):
        database.write(lambda _: [].pop())
    assert notes(database) == ["a"]


def test_a_lock_that_does_not_come_free_is_told_in_time(database: Database) -> None:
    write(database, "INSERT INTO note VALUES ('a')")
    held, go_on = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        run(connection, "UPDATE note SET n = 1")
        held.set()
        assert go_on.wait(PATIENCE_SECONDS)

    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(database.write, hold)
        assert held.wait(PATIENCE_SECONDS)
        with pytest.raises(TooBusy, match="nothing was written"):
            database.write(lambda c: run(c, "UPDATE note SET n = 2"), 0.2)
        go_on.set()
        holder.result()


def test_where_all_connections_are_in_use_it_is_too_busy(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(database, PostgresDatabase)
    monkeypatch.setattr(database, "_free", threading.BoundedSemaphore(1))
    with database.snapshot(), pytest.raises(TooBusy, match="all connections"):
        database.write(lambda _: None, 0.05)
    database.write(lambda _: None, 0.05)


def test_a_connection_that_is_cut_before_the_commit_is_made_anew(database: Database) -> None:
    tries = []

    def work(connection: Connection) -> None:
        run(connection, "INSERT INTO note VALUES ('a')")
        tries.append(1)
        if len(tries) == 1:
            terminate(connection)

    database.write(work)
    assert (notes(database), len(tries)) == (["a"], 2)


CUT_AT_COMMIT = (
    """CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$""",
    """CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON note DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION cut()""",
)


def test_a_connection_that_is_cut_in_the_commit_leaves_it_unknown(database: Database) -> None:
    """Nobody says that it was written, and nobody writes it twice."""
    write(database, *CUT_AT_COMMIT)
    tries = []

    def work(connection: Connection) -> None:
        tries.append(1)
        run(connection, "INSERT INTO note VALUES ('a')")

    with pytest.raises(Unavailable, match="not known whether it was written"):
        database.write(work)
    assert len(tries) == 1


def test_where_its_answer_was_lost_it_may_have_been_written(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = psycopg.Connection.commit

    def commit_and_lose(connection: "psycopg.Connection[Any]") -> None:
        commit(connection)
        connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "commit", commit_and_lose)
        with pytest.raises(Unavailable, match="not known whether it was written"):
            write(database, "INSERT INTO note VALUES ('a')")
    assert notes(database) == ["a"]


def test_a_database_that_can_only_be_read_is_unavailable(
    database: Database, postgres: PostgresServer
) -> None:
    name = database.name.split()[0]
    database.check_writable(2)
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database.close()
    with pytest.raises(Unavailable, match="read-only"):
        write(database, "INSERT INTO note VALUES ('a')")


def test_reads_cannot_write_and_see_one_state(database: Database) -> None:
    with database.snapshot() as connection:
        assert run(connection, "SELECT count(*) FROM note") == [(0,)]
        write(database, "INSERT INTO note VALUES ('a')")
        assert run(connection, "SELECT count(*) FROM note") == [(0,)]
    with pytest.raises(Exception, match="read-only"), database.snapshot() as connection:
        run(connection, "INSERT INTO note VALUES ('b')")
    assert notes(database) == ["a"]


def test_what_is_committed_is_on_disk_whatever_the_database_is_set_to(
    database: Database, postgres: PostgresServer
) -> None:
    name = database.name.split()[0]
    for given, used in (("off", "on"), ("remote_apply", "remote_apply")):
        postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = {given}")
        database.close()
        with database.snapshot() as connection:
            assert run(connection, "SHOW synchronous_commit") == [(used,)]


@pytest.fixture
def restarted_postgres() -> Iterator[PostgresServer]:
    """A server that no other test has in use."""
    place = binaries()
    if place is None:
        pytest.skip(HOW_TO_GET_IT)
    with running(place) as server:
        yield server


@pytest.mark.slow
def test_a_restart_of_the_server_fails_no_write_and_no_read(
    restarted_postgres: PostgresServer,
) -> None:
    server = restarted_postgres
    database = Database.at(server.url("postgres"))
    write(database, "CREATE TABLE note (text text)")
    for number in range(3):
        write(database, f"INSERT INTO note VALUES ('{number}')")  # noqa: S608 - a number
        server.restart()
        assert len(notes(database)) == number + 1
    server.stop()
    starting = threading.Timer(0.5, server.start)
    starting.start()
    write(database, "INSERT INTO note VALUES ('while it was down')")
    starting.join()
    assert len(notes(database)) == 4
    database.close()


def test_a_server_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_CONNECT_SECONDS", 1)
    database = Database.at("postgresql+psycopg://ada:hidden-password@127.0.0.1:1/attendance")
    told = []
    for act in (lambda: database.write(lambda _: None, 0.1), lambda: database.query().__enter__()):
        with pytest.raises(Unavailable) as raised:
            act()
        told.append(str(raised.value))
    assert "cannot be written" in told[0]
    assert "attendance on 127.0.0.1 cannot be used" in told[1]
    assert "hidden-password" not in " ".join([*told, database.name, repr(database)])
    database.close()


WITHOUT_DRIVER = """
import sys
sys.modules["psycopg"] = None
import attendance.app, attendance.cli, attendance.worker
from attendance.db import BadDatabaseUrl, Database
try:
    Database.at("postgresql+psycopg://host/attendance")
except BadDatabaseUrl as error:
    print(error)
"""


@pytest.mark.slow
def test_without_the_driver_all_but_its_use_works() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DRIVER], capture_output=True, text=True, check=True
    )
    assert "driver is not installed" in done.stdout
    assert "pip install 'psycopg[binary]>=3.3'" in done.stdout


def test_its_backup_is_the_server_s_own_business(database: Database, tmp_path: Any) -> None:
    with pytest.raises(DatabaseError, match="pg_dump"):
        database.backup(tmp_path / "copy")
