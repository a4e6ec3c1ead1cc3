"""What the server itself finds wrong with the database."""

from sqlalchemy import Connection

_INVALID = """
    SELECT 'The index ' || indexrelid::regclass || ' is not valid: REINDEX it.'
    FROM pg_index WHERE NOT indisvalid
    AND indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace)
    UNION ALL
    SELECT 'The constraint ' || conname || ' of ' || conrelid::regclass || ' was never proved.'
    FROM pg_constraint WHERE NOT convalidated AND connamespace = current_schema()::regnamespace
"""


def integrity_errors(connection: Connection) -> list[str]:
    """Return indexes and constraints that do not hold; empty if all is well."""
    return list(connection.exec_driver_sql(_INVALID).scalars())
