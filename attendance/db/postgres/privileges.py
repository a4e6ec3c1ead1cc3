"""What our role may do with the tables that it does not own."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from attendance.db.base import Base

TO_RECORD = ("SELECT", "INSERT")
TO_SERVE = ("SELECT", "INSERT", "UPDATE", "DELETE")
_WHERE = 'see "Roles on PostgreSQL" in docs/postgresql.md'
REMEDY = (
    f"The owner of the tables grants what is missing, and runs `db upgrade` and `audit prune`: "
    f"{_WHERE}."
)

# Nobody needs what a trigger refuses to everybody. On a sequence either privilege will do.
_LACKING = """
    SELECT wanted || ' on the table ' || relname AS what, 'TABLES' AS kind
    FROM pg_class, unnest(%s::text[]) AS wanted
    WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(%s::text[])
    AND relkind = 'r' AND NOT has_table_privilege(pg_class.oid, wanted)
    AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid
        AND tgname = relname || '_no_' || lower(wanted))
    UNION ALL
    SELECT 'USAGE on the sequence ' || seqrelid::regclass, 'SEQUENCES'
    FROM pg_sequence JOIN pg_depend ON objid = seqrelid AND deptype = 'a'
    JOIN pg_class ON pg_class.oid = refobjid
    WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(%s::text[])
    AND NOT has_sequence_privilege(seqrelid, 'USAGE, UPDATE')
    ORDER BY what
"""


@dataclass(frozen=True, slots=True)
class Lacking:
    """What the role lacks, in words, and the GRANTs that would give it."""

    what: str
    remedy: str


def lacking(connection: Connection, wanted: Sequence[str]) -> Lacking | None:
    """Return what our role lacks of the privileges `wanted` on each of our tables and their
    sequences; None if it lacks nothing."""
    names = sorted(Base.metadata.tables)
    rows = connection.exec_driver_sql(_LACKING, (list(wanted), names, names)).all()
    if not rows:
        return None
    role, schema = connection.exec_driver_sql(
        "SELECT quote_ident(current_user), quote_ident(current_schema())"
    ).one()
    more = f", and {len(rows) - 1} more of the kind" if len(rows) > 1 else ""
    grants = {
        "SEQUENCES": f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role};",
        "TABLES": f"GRANT {', '.join(TO_SERVE)} ON ALL TABLES IN SCHEMA {schema} TO {role};",
    }
    given = " ".join(grants[kind] for kind in sorted({row.kind for row in rows}))
    return Lacking(
        what=f"{role} has no {rows[0].what}{more}",
        remedy=f"As the owner of the tables run {given} ({_WHERE}).",
    )
