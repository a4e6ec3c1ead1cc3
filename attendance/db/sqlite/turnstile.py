"""A fair queue between processes: one lock file beside the database.

SQLite's own busy handler polls and sleeps, which starves whoever is unlucky; a blocking `flock`
queues in the kernel. SQLite's lock still guards the data; this one orders the writers, and keeps
checkpoints apart from writes (SQLite 3.7.0 to 3.51.2 can corrupt a WAL where the two coincide).
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType


class Turnstile:
    """`with turnstile:` waits its turn, however long. For one thread at a time.

    Raises OSError on entering if the lock file cannot be opened.
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".turnstile")
        self._descriptor: int | None = None

    def __enter__(self) -> None:
        # Opened on first use and so after a fork: an inherited descriptor would share its lock.
        if self._descriptor is None:
            self._descriptor = self._open()
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._descriptor is not None  # noqa: S101 - entered
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        database = self._path.with_name(self._path.name.removesuffix(".turnstile")).stat()
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        mine = os.fstat(descriptor)
        if mine.st_uid == os.geteuid() and mine.st_mode != database.st_mode:
            os.fchmod(descriptor, database.st_mode & 0o660)
            os.fchown(descriptor, -1, database.st_gid)
        return descriptor
