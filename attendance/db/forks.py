"""Let no connection live through a fork: SQLite's locks would not protect it, and committed rows
were lost that way; two processes on one connection to a server would read each other's answers."""

import os
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

_open_connections: set[int] = set()


def keep_from_forks(engine: Engine) -> Engine:
    """Count the engine's connections, and refuse those that another process has opened."""

    @event.listens_for(engine, "connect")
    def count(connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["pid"] = os.getpid()
        _open_connections.add(id(connection))

    @event.listens_for(engine, "checkout")
    def refuse_inherited(_: Any, record: ConnectionPoolEntry, __: Any) -> None:
        if record.info["pid"] != os.getpid():
            raise RuntimeError("A database connection was carried across a fork: open it after.")

    @event.listens_for(engine, "close")
    def forget(connection: Any, _: ConnectionPoolEntry) -> None:
        _open_connections.discard(id(connection))

    return engine


def assert_no_connections() -> None:
    """Raise RuntimeError if this process holds a connection: called before every fork."""
    if _open_connections:
        raise RuntimeError(
            f"{len(_open_connections)} database connection(s) are open at a fork: "
            "commits of the workers could be lost."
        )
