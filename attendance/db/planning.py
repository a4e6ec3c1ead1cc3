"""One plan for what PostgreSQL is asked again and again."""

from sqlalchemy import Connection, func, select, true

from attendance.db.fast.prepared import Prepared

_mode = func.set_config("plan_cache_mode", "force_generic_plan", true())
_keep = Prepared(select(_mode.label("mode")))


def force_generic_plan(connection: Connection) -> None:
    """Until the end of this transaction on PostgreSQL plan nothing anew for the values that it is
    asked with: SQLite never does. For units that find their rows by a key, and only where it is
    much: here the server expects more rows of an array than there are, never trusts the plan that
    it has, and takes longer for a new one than to carry it out, within triggers too."""
    _keep(connection, {})
