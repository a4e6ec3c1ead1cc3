"""A sign of life that takes no lock: the modification time of a small file beside the database."""

import glob
import time
from datetime import UTC, datetime
from pathlib import Path

BEAT_SECONDS = 5.0
_FORGET_AFTER_SECONDS = 86400.0


class FileHeartbeat:
    """One dispatcher's file, `<database>.dispatcher-<name>`. Touched at most every 5 s."""

    def __init__(self, database: Path, name: str) -> None:
        self._path = database.with_name(f"{database.name}.dispatcher-{name}")
        self._beaten_at = float("-inf")

    def beat(self) -> None:
        if time.monotonic() - self._beaten_at < BEAT_SECONDS:
            return
        self._path.touch(mode=0o600)
        self._beaten_at = time.monotonic()

    def stop(self) -> None:
        self._path.unlink(missing_ok=True)


def last_beats(database: Path) -> dict[str, datetime]:
    """Return when each dispatcher last gave a sign of life, by name.

    Those that were killed leave their file; it counts for a day and is then removed.
    """
    beats = {}
    for path in database.parent.glob(f"{glob.escape(database.name)}.dispatcher-*"):
        try:
            modified = path.stat().st_mtime
        except FileNotFoundError:
            continue
        if time.time() - modified > _FORGET_AFTER_SECONDS:
            path.unlink(missing_ok=True)
            continue
        name = path.name.removeprefix(f"{database.name}.dispatcher-")
        beats[name] = datetime.fromtimestamp(modified, UTC)
    return beats
