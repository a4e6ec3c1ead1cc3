"""The errors that callers of the database have to handle."""


class DatabaseError(Exception):
    """The database refuses or fails; the message is for a person."""


def without_values(error: BaseException | None) -> None:
    """Strip an error of the row that it is about: PostgreSQL's details show each value of it, and
    errors reach the log."""
    if error is not None and error.args and isinstance(error.args[0], str):
        error.args = (error.args[0].partition("\nDETAIL:")[0], *error.args[1:])


class NoDatabase(DatabaseError):
    """There is no database where the settings point, or its schema is not this version's."""


class TooBusy(DatabaseError):
    """A unit of work was withdrawn before it began: nothing was written, and nothing will be."""


class Unavailable(DatabaseError):
    """The storage failed (disk full, I/O error, locked for good): nothing is written."""


class Replaced(Unavailable):
    """The file is not the one that was opened, or is gone: whatever were written would be where
    nobody finds it."""


class Damaged(Unavailable):
    """What is stored cannot be read: nothing more is written by the act that found it."""


class Denied(Unavailable):
    """Our role may not do this on the server: nothing is written. The message says what the owner
    of the tables has to grant or do."""


CLOSED = "This database is closed"
"""How a database that was moved away refuses a change: the first words of its own error."""


class Moved(Unavailable):
    """What is stored here is moving, or has moved, to another database: nothing is written here."""


class BadDatabaseUrl(DatabaseError):
    """DATABASE_URL names something that cannot keep what is committed, or that is not ours."""
