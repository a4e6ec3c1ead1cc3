"""The triggers without which the trail would not be append-only. Migrations make them."""

from sqlalchemy import Connection, text

_GUARDS = ("audit_no_update", "audit_no_delete", "audit_no_replace")
_triggers = text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'")


def missing(connection: Connection) -> list[str]:
    """The names of the triggers that somebody removed; empty where all stand."""
    standing = set(connection.execute(_triggers).scalars())
    return [name for name in _GUARDS if name not in standing]
