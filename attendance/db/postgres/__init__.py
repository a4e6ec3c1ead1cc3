"""PostgreSQL: any number of hosts on one database.

Knows the server, its clock and its errors. psycopg is imported by SQLAlchemy alone, once a database
is opened: without it everything here can be imported.
"""

from attendance.db.postgres.database import PostgresDatabase

__all__ = ["PostgresDatabase"]
