"""Statements compiled once, for the paths on which SQLAlchemy costs more than the database.

`Connection.execute` makes a cache key, a context and a result for each call: some 40 µs, where
SQLite takes 5. A prepared statement goes straight to the driver, with the same types and errors.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from attendance.db.errors import without_values

_DIALECTS: dict[str, Dialect] = {
    "sqlite": sqlite.dialect(),
    "postgresql": psycopg.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}

_DOUBLE = 701
"""PostgreSQL's number for float8: floats alone are read in a way that depends on such a number."""

Process = Callable[[Any], Any]


class Prepared:
    """A statement of SQLAlchemy's Core, run by calling it with a connection and its values by name.

    `columns` are those that an insert fills. An `IN` over a list of unknown length cannot be
    prepared.
    """

    def __init__(self, statement: Any, *columns: str) -> None:
        self._statement, self._columns = statement, columns
        self._forms: dict[str, _Form] = {}
        read = list(getattr(statement, "selected_columns", ()))
        row = namedtuple("Row", [column.key for column in read])  # type: ignore[misc]  # not literal
        self._row: Callable[[Iterable[Any]], Any] = row._make

    def __call__(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """Run it, and return the driver's cursor, which has `rowcount`.

        Raises:
            DBAPIError: as `Connection.execute` would.
        """
        try:
            return self._form(connection).run(connection, values)
        except connection.dialect.loaded_dbapi.Error as error:
            raise self._named(connection, error) from error

    def inserted(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Run an insert, and return the id that the row was given."""
        cursor = self(connection, values)
        made = cursor.lastrowid if connection.dialect.name == "sqlite" else cursor.fetchone()[0]
        return int(made)

    def all(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """Return the rows of a select, with the columns as attributes."""
        form = self._form(connection)
        try:
            # Fetch all first: a row that cannot be read would leave a statement half read that
            # nobody knows of, and SQLite's writer could not begin while the traceback lives.
            rows = form.run(connection, values).fetchall()
        except connection.dialect.loaded_dbapi.Error as error:
            raise self._named(connection, error) from error
        return [self._row(form.read(row)) for row in rows]

    def first(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """Return the first of them, or None."""
        form = self._form(connection)
        try:
            row = form.run(connection, values).fetchone()
        except connection.dialect.loaded_dbapi.Error as error:
            raise self._named(connection, error) from error
        return None if row is None else self._row(form.read(row))

    def _form(self, connection: Connection) -> "_Form":
        name = connection.dialect.name
        form = self._forms.get(name)
        if form is None:
            form = self._forms[name] = _Form(self._statement, self._columns, _DIALECTS[name])
        return form

    def _named(self, connection: Connection, error: Exception) -> BaseException:
        """Return the driver's error as SQLAlchemy's own of the same name, without the values."""
        without_values(error)
        return DBAPIError.instance(
            self._form(connection).sql,
            (),
            error,
            connection.dialect.loaded_dbapi.Error,
            hide_parameters=True,
            dialect=connection.dialect,
        )


class _Form:
    """The statement as compiled for one dialect."""

    def __init__(self, statement: Any, columns: tuple[str, ...], dialect: Dialect) -> None:
        if dialect.name == "postgresql" and getattr(statement, "is_insert", False):
            statement = _returning_id(statement)
        compiled: SQLCompiler = statement.compile(dialect=dialect, column_keys=columns or None)
        self.sql = str(compiled)
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        # The statement's own values, which the caller does not give.
        self._fixed = {
            name: bind.effective_value for name, bind in binds.items() if not bind.required
        }
        self._binds = [
            (name, binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in compiled.positiontup or ()
        ]
        read = getattr(statement, "selected_columns", ())
        processes = [_reading(column.type, dialect) for column in read]
        self._reads = [(at, process) for at, process in enumerate(processes) if process is not None]

    def run(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        given = {**self._fixed, **values} if self._fixed else values
        parameters = [
            given[name] if process is None else process(given[name])
            for name, process in self._binds
        ]
        driver: Any = connection.connection.dbapi_connection
        return driver.execute(self.sql, parameters)

    def read(self, row: Iterable[Any]) -> Iterable[Any]:
        if not self._reads:
            return row
        values = list(row)
        for at, process in self._reads:
            values[at] = process(values[at])
        return values


def _returning_id(insert: Any) -> Any:
    """Have PostgreSQL return the new id; SQLite's driver keeps it by itself."""
    column = insert.table.autoincrement_column
    return insert if column is None else insert.returning(column)


def _reading(type_: TypeEngine[Any], dialect: Dialect) -> Process | None:
    return type_.dialect_impl(dialect).result_processor(dialect, _DOUBLE)
