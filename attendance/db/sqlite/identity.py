"""Whether the database's file is still the one that was opened.

Where it is deleted or replaced, SQLite goes on in the file that it has open, which has no name any
more: it answers OK, and nobody will find those rows.
"""

from pathlib import Path

from attendance.db.errors import Replaced

Identity = tuple[int, int]
"""Device and inode."""


class FileIdentity:
    """Remembers the file at `path`, by looking at its name alone: to open and close it would drop
    this process's locks on it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = _look(path)

    def check(self) -> None:
        """Raise Replaced unless the file that is there now is the one that was there first."""
        found = _look(self._path)
        if self._known is None:
            self._known = found
        if found is None or found != self._known:
            what = "is gone" if found is None else "was replaced"
            raise Replaced(
                f"The file {self._path} {what} while it was open, and nothing was stored: put the "
                "right one back, or restart every process that uses it on the one that is there."
            )


def _look(path: Path) -> Identity | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
