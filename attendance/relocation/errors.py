"""Why a move may be refused."""

from attendance.db import DatabaseError


class CannotMove(DatabaseError):
    """The move is refused; the message says what is in the way, and what to do."""
