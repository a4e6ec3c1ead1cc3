"""The engine for one PostgreSQL database, and what each of its connections is set to."""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from attendance.config.capacity import CONNECTIONS
from attendance.db.errors import BadDatabaseUrl, without_values
from attendance.db.forks import keep_from_forks
from attendance.db.postgres.clock import ClockSample, seconds

LOCK_SECONDS = 5.0
_KEPT = 8
_CONNECT_SECONDS = 10
_STALLED_SECONDS = 10
"""How long a transaction may do nothing before the server ends it: its host may be stopped, or cut
off, and would go on holding its locks."""

_ALIVE = {
    "connect_timeout": _CONNECT_SECONDS,
    "application_name": "attendance",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
# A commit has to be on disk: a server or a role may be set to more than `on`, never to less.
_SETTINGS = f"""SELECT clock_timestamp(),
    set_config('TimeZone', 'UTC', false),
    set_config('lock_timeout', '{LOCK_SECONDS:.0f}s', false),
    set_config('idle_in_transaction_session_timeout', '{_STALLED_SECONDS}s', false),
    set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit')
        IN ('off', 'local') THEN 'on' ELSE current_setting('synchronous_commit') END, false)"""


def pooled_engine(url: URL, observe: Callable[[ClockSample], object]) -> Engine:
    """Make an engine that keeps a few connections; each tells `observe` the server's time."""
    pool = {"pool_size": _KEPT, "max_overflow": CONNECTIONS - _KEPT}
    return _prepared(_created(url, poolclass=QueuePool, **pool), observe)


def single_engine(url: URL) -> Engine:
    """Make an engine that keeps no connection."""
    return _prepared(_created(url, poolclass=NullPool), lambda _: None)


@contextmanager
def connected(engine: Engine) -> Iterator[Connection]:
    """Open a connection, which is not used again if it was lost meanwhile."""
    connection = engine.connect()
    try:
        yield connection
    finally:
        if is_lost(connection) and not connection.invalidated:
            connection.invalidate()
        connection.close()


def is_lost(connection: Connection) -> bool:
    """Tell whether the driver has found the connection to be gone."""
    return connection.invalidated or bool(connection.connection.driver_connection.closed)  # type: ignore[union-attr]


def _has_ended(driver: Any) -> bool:
    """Tell whether the server has ended the connection, as far as this machine knows: if we wait
    for nothing, there is nothing to read."""
    if driver.closed:
        return True
    poll = select.poll()
    poll.register(driver.pgconn.socket, select.POLLIN)
    return bool(poll.poll(0))


def _created(url: URL, **options: Any) -> Engine:
    given = {**_ALIVE, **url.query}
    try:
        return create_engine(url.set(query={}), connect_args=given, hide_parameters=True, **options)
    except ModuleNotFoundError:
        raise BadDatabaseUrl(
            "DATABASE_URL names PostgreSQL, whose driver is not installed: "
            "`pip install 'psycopg[binary]>=3.3'`, the extra [postgres] of attendance-outbox."
        ) from None


def _prepared(engine: Engine, observe: Callable[[ClockSample], object]) -> Engine:
    @event.listens_for(engine, "connect")
    def prepare(driver: Any, _: ConnectionPoolEntry) -> None:
        driver.autocommit = True  # a rollback would undo the settings
        asked = seconds()
        row = driver.execute(_SETTINGS).fetchone()
        observe(ClockSample.of(row[0], asked, seconds()))
        driver.autocommit = False

    @event.listens_for(engine, "checkout")
    def refuse_lost(driver: Any, _: ConnectionPoolEntry, __: Any) -> None:
        if _has_ended(driver):
            raise InvalidatePoolError

    @event.listens_for(engine, "handle_error")
    def hide_values(context: ExceptionContext) -> None:
        without_values(context.original_exception)
        without_values(context.sqlalchemy_exception)

    return keep_from_forks(engine)
