"""Decide by its SQLSTATE what an error of the server means for the unit of work that it ended."""

from typing import Literal

from sqlalchemy.exc import DBAPIError

Disposition = Literal["again", "unique_violation", "busy", "lost", "storage", "denied", "own"]
"""`again`: another transaction was in the way. `unique_violation`: another wrote the same first,
and the work would see that now. `busy`: a lock did not come free in time. `lost`: the connection
is gone, or could not be made. `storage`: the server cannot write. `denied`: our role may not.
`own`: it is the work's own error."""

_DISPOSITIONS: dict[str, Disposition] = {
    "40001": "again",  # serialization failure
    "40P01": "again",  # deadlock
    "23505": "unique_violation",  # unique violation
    "55P03": "busy",  # lock not available
    "57014": "busy",  # cancelled, as by a statement's timeout
    "53300": "lost",  # too many connections
    "25P03": "lost",  # we stood still within a transaction
    "57P01": "lost",  # the server stops
    "57P02": "lost",  # it crashed
    "57P03": "lost",  # it starts
    "25006": "storage",  # a standby, or set to read only
    "42501": "denied",  # insufficient privilege
}
_CLASSES: dict[str, Disposition] = {
    "08": "lost",  # connection
    "53": "storage",  # disk full, out of memory
    "58": "storage",  # input and output
    "XX": "storage",  # corrupted
}


def disposition_of(error: BaseException) -> Disposition:
    if not isinstance(error, DBAPIError):
        return "own"
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        # An error of the driver's: it has no connection, or lost it without an answer.
        return "lost" if type(error.orig).__name__ == "OperationalError" else "own"
    return _DISPOSITIONS.get(state) or _CLASSES.get(state[:2]) or "own"


def reason_of(error: BaseException) -> str:
    """Return the error's own words, in one line."""
    return " ".join(str(getattr(error, "orig", None) or error).split())
