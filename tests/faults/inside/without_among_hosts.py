"""Takes away what protects several hosts on one PostgreSQL, for the controls."""

from typing import Any

from attendance.db import Unavailable
from attendance.db.postgres import engine
from attendance.db.postgres.unit import Unit


def synchronous_commit() -> None:
    """Leave it to the server's setting when commits reach the disk."""
    settings, cut, _ = engine._SETTINGS.partition("set_config('synchronous_commit'")
    assert cut
    engine._SETTINGS = settings.rstrip().removesuffix(",")


def word_of_a_lost_commit() -> None:
    """Take a commit whose answer was lost for one that was written."""
    commit = Unit._commit

    def hopeful(unit: "Unit[Any]", *given: Any) -> None:
        try:
            commit(unit, *given)
        except Unavailable:
            return

    Unit._commit = hopeful  # type: ignore[method-assign, assignment]


REMOVALS = {
    "without-synchronous-commit": synchronous_commit,
    "without-word-of-a-lost-commit": word_of_a_lost_commit,
}
