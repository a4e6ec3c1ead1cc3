"""Why a move may be refused."""

from attendance.db import DatabaseError


class CannotMove(DatabaseError):
    """The message says what is in the way, and what to do."""
