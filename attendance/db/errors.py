"""What a caller of the database may have to answer for."""


class DatabaseError(Exception):
    """Something of the database's own stands in the way; the message is for a person."""


def without_values(error: BaseException | None) -> None:
    """Leave in an error what it is, and not the row that it is about: PostgreSQL's details show
    each of its values, and errors reach the log."""
    if error is not None and error.args and isinstance(error.args[0], str):
        error.args = (error.args[0].partition("\nDETAIL:")[0], *error.args[1:])


class NoDatabase(DatabaseError):
    """There is no database where the settings point to, or not one of this version's shape."""


class TooBusy(DatabaseError):
    """A unit of work was withdrawn before it began: nothing was written, and nothing will be."""


class Unavailable(DatabaseError):
    """The storage failed (disk full, I/O error, locked for good): nothing is written."""


class Denied(Unavailable):
    """The server does not let our role do this: nothing is written. The message says what the
    tables' owner has to grant, or do."""


CLOSED = "This database is closed"
"""How a database that was moved away refuses a change: the first words of its own error."""


class Moved(Unavailable):
    """What is stored here is being moved to another database, or was: here nothing is written."""


class BadDatabaseUrl(DatabaseError):
    """DATABASE_URL names something that cannot keep what is committed, or that is not ours."""
