"""Statements sent before those ahead of them are answered: psycopg's pipeline mode, within a unit
of work on PostgreSQL, which then waits for the server only where it looks at an answer.

An error is raised where the next answer is looked at, or at the end: it may be that of a statement
before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from attendance.db.errors import without_values

_PIPELINE = "pipeline"


@contextmanager
def sent_ahead(connection: Connection) -> Iterator[None]:
    """Within it nothing is waited for that nobody looks at; at its end all is answered. The driver
    refuses COPY here.

    Raises:
        DBAPIError: a statement failed whose answer nobody had looked at.
    """
    info, driver = connection.info, _driver(connection)
    try:
        with driver.pipeline() as info[_PIPELINE]:
            yield
    except connection.dialect.loaded_dbapi.Error as error:
        raise as_sqlalchemy_has_it(connection, error) from error
    finally:
        info.pop(_PIPELINE, None)


def send(connection: Connection, statement: str) -> None:
    """What a unit has the server do besides its work; it is not waited for."""
    _driver(connection).execute(statement, prepare=False)


def await_answers(connection: Connection, *_: object) -> None:
    """For what is looked at without being fetched: how many rows were changed, and all that
    SQLAlchemy itself makes of a statement."""
    pipeline = connection.info.get(_PIPELINE)
    if pipeline is not None:
        pipeline.sync()


def as_sqlalchemy_has_it(
    connection: Connection, error: Exception, statement: str | None = None
) -> BaseException:
    """The driver's error as SQLAlchemy's own of the same name, without the values."""
    without_values(error)
    return DBAPIError.instance(
        statement,
        (),
        error,
        connection.dialect.loaded_dbapi.Error,
        hide_parameters=True,
        dialect=connection.dialect,
    )


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection
