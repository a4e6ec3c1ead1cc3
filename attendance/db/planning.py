"""Keep one plan for what PostgreSQL is asked again and again."""

from sqlalchemy import Connection, func, select, true

from attendance.db.fast.prepared import Prepared

_mode = func.set_config("plan_cache_mode", "force_generic_plan", true())
_keep = Prepared(select(_mode.label("mode")))


def force_generic_plan(connection: Connection) -> None:
    """Have PostgreSQL use its kept plans until the end of this transaction, whatever the values;
    SQLite always does. For units that find their rows by a key, and only if it saves much: the
    server expects more rows of an array than there are, so it would never trust a kept plan, and
    planning takes longer than running, within triggers too."""
    _keep(connection, {})
