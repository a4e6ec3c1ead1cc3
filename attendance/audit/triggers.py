"""The triggers that make the trail, and corrections, append-only. Migrations make them."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, bindparam, text

TABLES = ("audit", "audit_leaf", "audit_seal")
_GUARDED = (*TABLES, "correction")
_GUARDS = {
    "sqlite": ("no_update", "no_delete", "no_replace"),
    # Which knows no replacing INSERT, and TRUNCATE.
    "postgresql": ("no_update", "no_delete", "no_truncate"),
}
_triggers = text(
    "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name IN :names"
).bindparams(bindparam("names", expanding=True))
_postgres_triggers = text(
    "SELECT tgname FROM pg_trigger WHERE tgenabled IN ('O', 'A') AND tgname IN :names "
    "AND tgfoid = 'refuse_change()'::regprocedure AND tgqual IS NULL"
).bindparams(bindparam("names", expanding=True))


def missing(connection: Connection) -> list[str]:
    """List the names of the triggers that somebody removed, or left without effect; empty if all
    are there."""
    ends = _GUARDS[connection.dialect.name]
    guards = [f"{table}_{end}" for table in _GUARDED for end in ends]
    standing = _standing(connection, guards)
    return [name for name in guards if name not in standing]


@contextmanager
def deletion_allowed(connection: Connection) -> Iterator[None]:
    """Lift the triggers against DELETE, and restore them as they were.

    All of that happens in the caller's transaction: nobody else ever sees the tables without them.
    On PostgreSQL only the tables' owner can do it, and until the end of the transaction nobody else
    writes to them.
    """
    if connection.dialect.name == "postgresql":
        _switch(connection, "DISABLE")
        yield
        _switch(connection, "ENABLE")
        return
    lifted = _definitions(connection, [f"{table}_no_delete" for table in TABLES])
    for name in lifted:
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
    yield
    for definition in lifted.values():
        connection.exec_driver_sql(definition)


def _switch(connection: Connection, how: str) -> None:
    for table in TABLES:
        connection.exec_driver_sql(f"ALTER TABLE {table} {how} TRIGGER {table}_no_delete")


def _standing(connection: Connection, names: list[str]) -> set[str]:
    if connection.dialect.name == "postgresql":
        return set(connection.execute(_postgres_triggers, {"names": names}).scalars())
    found = _definitions(connection, names)
    return {name for name, definition in found.items() if "RAISE(ABORT" in definition}


def _definitions(connection: Connection, names: list[str]) -> dict[str, str]:
    found = connection.execute(_triggers, {"names": names})
    return {row.name: row.sql for row in found}
