"""What every process of the service does beside its work: it notes in the audit trail that it
starts, that it stops and what fails in between, and runs its background tasks (`tasks.JOBS`).

Where there is a dispatcher, it runs the tasks between its polls; elsewhere the lifecycle has a
thread of its own for them.
"""

import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from attendance import audit
from attendance.api_keys import Uses
from attendance.audit import anchors
from attendance.audit.checkpoint import Checkpoint
from attendance.audit.throttle import CRASHED, Kind, Throttle
from attendance.audit.trail import service_context
from attendance.config import Settings
from attendance.config.secrets import Secret, without_passwords
from attendance.config.version import version
from attendance.db import BRIEF_WRITE_SECONDS, Database, DatabaseError
from attendance.notifications.texts import anchor_message
from attendance.outbox.queue import Draft, enqueue

_EVERY_SECONDS = 1.0
_UNAVAILABLE = 503

# What the trail calls a task that failed. Auditors filter by it and FORMAT.md documents it, so it
# keeps the name from when tasks were called chores.
_CODE_OF_A_TASK = "chore"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Task:
    """A background job of one process: call it often, it keeps its own pace. `at_stop` does what
    is then left of it."""

    run: Callable[[], object]
    at_stop: Callable[[], object] = lambda: None

    def __call__(self) -> object:
        return self.run()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessParts:
    """What the background jobs of a process work with. `part` is what it plays: `worker` or
    `dispatcher`."""

    part: str
    settings: Settings
    database: Database
    clock: Callable[[], datetime]
    throttle: Throttle
    uses: Uses = field(default_factory=Uses)

    @property
    def works_for_all(self) -> bool:
        """Whether it does what is done once for all processes, such as sealing the trail. A worker
        with DISPATCHER=off leaves that to others; a dispatcher has no others to leave it to,
        whatever DISPATCHER says in settings that it shares with such a worker."""
        return self.settings.dispatcher or self.part == "dispatcher"


class Lifecycle:
    """The life of one process. `own` is what it does for itself, `shared` what one process does for
    all."""

    def __init__(
        self, parts: ProcessParts, own: Sequence[Task] = (), shared: Sequence[Task] = ()
    ) -> None:
        self._parts = parts
        self._own, self._shared = own, shared
        self._stopping = threading.Event()

    @property
    def tasks(self) -> Sequence[Task]:
        return (*self._own, *self._shared)

    def note_start(self) -> None:
        """Note that the process is ready to work."""
        self._note("service.started", self._description())

    def run(self) -> None:
        """Run the tasks about once a second until `stop` is called."""
        while not self._stopping.wait(_EVERY_SECONDS):
            for task in self.tasks:
                self._attempt(task.run)

    def stop(self, timeout_seconds: float) -> bool:  # noqa: ARG002 - as a dispatcher's
        """End `run`; nothing of it is under way afterwards."""
        self._stopping.set()
        return True

    def finish(self) -> None:
        """Note the stop, and seal it with all that came before."""
        for task in self._own:
            self._attempt(task.at_stop)
        self._note("service.stopped", self._description())
        # Last, so that the note of the stop is under the last seal, and that seal is anchored.
        for task in self._shared:
            self._attempt(task.at_stop)

    def note_failure(self, doing: str, error: Exception) -> None:
        """Audit that a `round`, a `task` or the like failed: as crashed, or as refused if it was
        the database that took nothing. What cannot be written now is counted, and written later.
        Never raises."""
        code = _CODE_OF_A_TASK if doing == "task" else doing
        now, refused = self._parts.clock(), isinstance(error, DatabaseError)
        status = _UNAVAILABLE if refused else CRASHED
        kind = Kind("service.failed", status, code, self._context().actor, None)
        if refused:
            self._parts.throttle.count(now, kind)
        elif self._parts.throttle.admit(now, kind):
            what = {"status": status, "code": code, "error": type(error).__name__}
            if not self._note(kind.action, what, kind.outcome):
                self._parts.throttle.count(now, kind)

    def _attempt(self, run: Callable[[], object]) -> None:
        try:
            run()
        except Exception as error:
            logger.exception("A background task failed and will be tried again")
            self.note_failure("task", error)

    def _description(self) -> dict[str, Any]:
        return {
            "version": version(),
            "configuration": configuration_hash(self._parts.settings),
        }

    def _context(self) -> audit.Context:
        return service_context(self._parts.part)

    def _note(self, action: str, what: dict[str, Any], outcome: str = "success") -> bool:
        """Write a row about this process; whether it was written."""
        after = {"pid": os.getpid(), **what}
        entry = audit.entry(
            self._parts.clock(), self._context(), action, outcome=outcome, after=after
        )
        try:
            self._parts.database.write(entry.append, BRIEF_WRITE_SECONDS)
        except Exception as error:  # noqa: BLE001 - a note keeps nothing from starting or stopping
            logger.warning("Not in the audit trail: %s (%s)", action, error)
            return False
        return True


def enqueue_anchor(connection: Connection, now: datetime, chat: str, checkpoint: Checkpoint) -> int:
    """Write the message that tells a chat of a checkpoint: what `Anchors` gets handed in."""
    text = anchor_message(str(checkpoint))
    return enqueue(connection, now, Draft(chat, text, anchors.TARGET, str(checkpoint.size)))


def configuration_hash(settings: Settings) -> str:
    """Hash all settings with SHA-256: equal settings have equal hashes. Of a secret only whether it
    is set goes in: a weak one could be guessed from its hash."""
    plain = {field.name: _plain(getattr(settings, field.name)) for field in fields(settings)}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> str | None:
    if value is None:
        return None
    # The address of a database server holds a password.
    return "set" if isinstance(value, Secret) else without_passwords(str(value))
