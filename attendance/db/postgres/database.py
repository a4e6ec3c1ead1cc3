"""A database on a PostgreSQL server, which any number of hosts may share."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from attendance.config.capacity import CONNECTIONS
from attendance.config.secrets import Secret
from attendance.db.database import WRITE_TIMEOUT_SECONDS, Database, T, Work
from attendance.db.errors import DatabaseError, Denied, TooBusy, Unavailable
from attendance.db.postgres import checks, privileges
from attendance.db.postgres.clock import ClockSample, ServerClock, seconds
from attendance.db.postgres.engine import connected, pooled_engine, single_engine
from attendance.db.postgres.failures import reason_of
from attendance.db.postgres.listening import Listener
from attendance.db.postgres.unit import RetryTransaction, Unit

_UPGRADES = 7_226_009_601  # the advisory lock that an upgrade holds
_LONGEST_PAUSE_SECONDS = 0.5


class PostgresDatabase(Database, scheme="postgresql+psycopg"):
    """The database that `url` names, with a pool of connections of this process."""

    def __init__(self, url: URL) -> None:
        super().__init__()
        Secret(url.password or "")  # struck out of whatever anyone prints from now on
        self.name = _name(url)
        self._short_name, self._url = url.database or "attendance", url
        self._server_clock = ServerClock(self._sample_clock)
        self._engine = pooled_engine(url, self._server_clock.observe)
        self._snapshot_engine = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._query_engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        # Here each caller waits as long as it wants to; the pool has one timeout for all.
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        self._listeners: list[Listener] = []
        self._failing = False

    @classmethod
    def opened(cls, url: URL) -> "PostgresDatabase":
        return cls(url)

    @classmethod
    @contextmanager
    def being_upgraded(cls, url: URL, group: str | None) -> Iterator[Connection]:  # noqa: ARG003 - a server has no files of ours
        engine = single_engine(url)
        try:
            with _told(_name(url)), engine.begin() as connection:
                # Wait for another upgrade, and work on our own, however long it takes.
                connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
                connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADES})")
                yield connection
        finally:
            engine.dispose()

    def write(self, work: Work[T], timeout_seconds: float | None = WRITE_TIMEOUT_SECONDS) -> T:
        """Run an ordinary transaction in this thread, and run it again if another was in its way or
        the server was restarted. If the answer to its commit was lost, nobody knows whether it was
        written: the error says so, and it is not run again."""
        self._claim_process()
        unit = Unit(work, timeout_seconds)
        while True:
            try:
                with self._connected(self._engine, unit.seconds_left()) as connection:
                    result = unit.run(connection)
            except RetryTransaction as again:
                self._failing = again.is_grave
                self._rest(unit, again)
            except DBAPIError as error:  # there is no connection
                self._rest(unit, RetryTransaction.after(error))
            else:
                self._failing = False
                return result

    def check_writable(self, timeout_seconds: float) -> None:
        """Take a transaction's number, which a standby cannot; if there is reason to doubt, have a
        word written to the server's log, too. Also ask whether our role may write to the tables."""
        write = "pg_logical_emit_message(true, 'attendance', 'writable')"
        proof = f"SELECT {write if self._failing else 'pg_current_xact_id()'}"
        self.write(lambda connection: _check(connection, proof), timeout_seconds)

    def lacking(self) -> privileges.Lacking | None:
        """Return what our role lacks of the privileges that the service needs; None if nothing."""
        with self.snapshot() as connection:
            return privileges.lacking(connection, privileges.TO_SERVE)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        self._claim_process()
        with (
            _told(self.name),
            self._connected(self._snapshot_engine) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def query(self) -> Iterator[Connection]:
        self._claim_process()
        with _told(self.name), self._connected(self._query_engine) as connection:
            yield connection

    def clock(self) -> datetime:
        """Return the server's time, off by at most half a round trip and 2.5 ms."""
        return self._server_clock()

    @property
    def clock_off_seconds(self) -> float:
        """How far `clock` may be off."""
        return self._server_clock.off_seconds

    def notify(self, event: threading.Event) -> None:
        self._claim_process()
        self._listeners.append(Listener(single_engine(self._url), event))

    def backup(self, target: Path) -> int:  # noqa: ARG002 - nothing is written
        raise DatabaseError(
            f"{self.name} is kept by PostgreSQL, whose own tools copy it while the service runs: "
            "`pg_dump --format=custom --file=FILE`, and `pg_restore`."
        )

    def integrity_errors(self) -> list[str]:
        with self.snapshot() as connection:
            return checks.integrity_errors(connection)

    def sidecar(self, suffix: str) -> Path:
        """Return a path in the working directory: the server's files are not ours."""
        return Path.cwd() / f"{self._short_name}{suffix}"

    def copy_mode_to(self, file: Path) -> None:
        """Make it readable for this user alone: the server decides who may read the database."""
        file.chmod(0o600)

    def close(self) -> None:
        while self._listeners:
            self._listeners.pop().stop()
        self._engine.dispose()

    def _sample_clock(self) -> ClockSample:
        with self.query() as connection:
            asked = seconds()
            time_there = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
            return ClockSample.of(time_there, asked, seconds())

    @contextmanager
    def _connected(
        self, engine: Engine, timeout_seconds: float | None = WRITE_TIMEOUT_SECONDS
    ) -> Iterator[Connection]:
        if not self._free.acquire(timeout=timeout_seconds):
            raise TooBusy("The database is busy: all connections of this process are in use.")
        try:
            with connected(engine) as connection:
                yield connection
        finally:
            self._free.release()

    def _rest(self, unit: "Unit[T]", again: RetryTransaction) -> None:
        """Wait before the next try, or give up if the time is over.

        Raises:
            TooBusy: another transaction, or a lock, was in the way until the time was over.
            Unavailable: the server cannot be reached or cannot write, or (Denied) does not let us.
            Exception: what the work raised.
        """
        pause = min(0.005 * 2**unit.tries, _LONGEST_PAUSE_SECONDS) * (0.5 + random.random())  # noqa: S311
        left = unit.seconds_left()
        if again.is_final or (left is not None and left <= pause):
            raise again.told() from None
        time.sleep(0 if again.at_once else pause)


def _check(connection: Connection, proof: str) -> None:
    connection.exec_driver_sql(proof)
    if found := privileges.lacking(connection, privileges.TO_RECORD):
        raise Denied(f"The database does not let us write: {found.what}. {found.remedy}")


def _name(url: URL) -> str:
    return f"{url.database} on {url.host or 'this host'}"


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Turn the error of a connection into one of ours; the reader's own errors stay as they are."""
    try:
        yield
    except DBAPIError as error:
        again = RetryTransaction.after(error)
        if again.is_own:
            raise
        if again.disposition == "denied":
            raise Denied(
                f"The database {name} does not let us do this ({reason_of(error)}). "
                f"{privileges.REMEDY}"
            ) from None
        raise Unavailable(f"The database {name} cannot be used ({reason_of(error)}).") from None
