"""The triggers without which the trail would not be append-only. Migrations make them."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, bindparam, text

TABLES = ("audit", "audit_leaf", "audit_seal")
_GUARDS = [
    f"{table}_{name}" for table in TABLES for name in ("no_update", "no_delete", "no_replace")
]
_triggers = text(
    "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name IN :names"
).bindparams(bindparam("names", expanding=True))


def missing(connection: Connection) -> list[str]:
    """The names of the triggers that somebody removed, or left without effect; empty where all
    stand."""
    standing = _definitions(connection, _GUARDS)
    return [name for name in _GUARDS if "RAISE(ABORT" not in standing.get(name, "")]


@contextmanager
def deletion_allowed(connection: Connection) -> Iterator[None]:
    """Lift the triggers against DELETE, and restore them as they were, all in the caller's
    transaction: nobody else ever sees the tables without them."""
    lifted = _definitions(connection, [f"{table}_no_delete" for table in TABLES])
    for name in lifted:
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
    yield
    for definition in lifted.values():
        connection.exec_driver_sql(definition)


def _definitions(connection: Connection, names: list[str]) -> dict[str, str]:
    found = connection.execute(_triggers, {"names": names})
    return {row.name: row.sql for row in found}
