"""What a caller of the database may have to answer for."""


class DatabaseError(Exception):
    """Something of the database's own stands in the way; the message is for a person."""


class NoDatabase(DatabaseError):
    """There is no database where the settings point to, or not one of this version's shape."""


class TooBusy(DatabaseError):
    """A unit of work was withdrawn before it began: nothing was written, and nothing will be."""


class Unavailable(DatabaseError):
    """The storage failed (disk full, I/O error, locked for good): nothing is written."""


class BadDatabaseUrl(DatabaseError):
    """DATABASE_URL names something that cannot keep what is committed."""
