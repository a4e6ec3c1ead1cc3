"""What every process of the service does beside its work: it notes its start, its stop and what
fails in between in the audit trail, and sees to the trail's chores.

May import `notices`, `audit`, `outbox` and what lies below. Where there is a dispatcher, the chores
are done between its polls; else the caretaker has a thread of its own.
"""

import hashlib
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime
from functools import partial
from importlib.metadata import version
from typing import Any

from sqlalchemy import Connection

from attendance import audit
from attendance.audit import anchors
from attendance.audit.anchors import Anchors
from attendance.audit.checkpoint import Checkpoint
from attendance.audit.sealer import Sealer
from attendance.audit.throttle import CRASHED, Kind, Throttle, append_repeated
from attendance.audit.trail import service_context
from attendance.config import Settings
from attendance.config.secrets import Secret, without_passwords
from attendance.db import Database, DatabaseError
from attendance.notifications.texts import anchor_message
from attendance.outbox.queue import Draft, enqueue

_NOTE_TIMEOUT_SECONDS = 2.0
_EVERY_SECONDS = 1.0
_UNAVAILABLE = 503
logger = logging.getLogger(__name__)

Task = Callable[[], object]


class Lifecycle:
    """Of one process, which plays `part` (`worker` or `dispatcher`). Workers with DISPATCHER=off
    leave to others what is done for all: the sealing, and `shared`. `own` is this process's."""

    def __init__(
        self,
        part: str,
        settings: Settings,
        database: Database,
        clock: Callable[[], datetime],
        throttle: Throttle,
        shared: Sequence[Task] = (),
        own: Sequence[Task] = (),
    ) -> None:
        self._part, self._settings = part, settings
        self._database, self._clock = database, clock
        self._throttle, self._own = throttle, own
        self._stopping = threading.Event()
        self._sealer = Sealer(database, clock, settings.audit_hmac_key)
        self._anchors = Anchors(
            database, clock, socket.gethostname(), settings.audit_anchor_chat, enqueue_anchor
        )
        self._seals = settings.dispatcher or part == "dispatcher"
        for_all: Sequence[Task] = (self._sealer, self._anchors, *shared) if self._seals else ()
        self.tasks: Sequence[Task] = (self._write_throttled, *own, *for_all)

    def note_start(self) -> None:
        """For once the process is ready to work."""
        self._note("service.started", self._process())

    def run(self) -> None:
        """Do the chores about once a second until `stop` is called."""
        while not self._stopping.wait(_EVERY_SECONDS):
            for chore in self.tasks:
                self._attempt(chore)

    def stop(self, timeout_seconds: float) -> bool:  # noqa: ARG002 - as a dispatcher's
        """End `run`; it has nothing under way."""
        self._stopping.set()
        return True

    def finish(self) -> None:
        """Note the stop, and seal it with all that came before."""
        self._attempt(partial(self._write_throttled, all_of_them=True))
        for chore in self._own:
            self._attempt(chore)
        self._note("service.stopped", self._process())
        if self._seals:
            self._attempt(self._sealer.finish)
            self._attempt(self._anchors.publish)

    def note_failure(self, doing: str, error: Exception) -> None:
        """Audit that a `round`, a `chore` or the like failed: crashed, or refused where it was the
        database that took nothing. What cannot be written now is counted, and written later. Never
        raises."""
        now, refused = self._clock(), isinstance(error, DatabaseError)
        status = _UNAVAILABLE if refused else CRASHED
        kind = Kind("service.failed", status, doing, service_context(self._part).actor, None)
        if refused:
            self._throttle.count(now, kind)
        elif self._throttle.admit(now, kind):
            what = {"status": status, "code": doing, "error": type(error).__name__}
            if not self._note(kind.action, what, kind.outcome):
                self._throttle.count(now, kind)

    def _attempt(self, chore: Task) -> None:
        try:
            chore()
        except Exception as error:
            logger.exception("A chore of the audit trail failed and will be tried again")
            self.note_failure("chore", error)

    def _write_throttled(self, *, all_of_them: bool = False) -> None:
        """Write what was counted and not written, where its minute is over."""
        now = self._clock()
        if repeated := self._throttle.take_over(now, all_of_them=all_of_them):
            try:
                self._database.write(lambda connection: append_repeated(connection, now, repeated))
            except Exception:
                self._throttle.put_back(repeated)
                raise

    def _process(self) -> dict[str, Any]:
        return {
            "version": version("attendance"),
            "configuration": configuration_hash(self._settings),
        }

    def _note(self, action: str, what: dict[str, Any], outcome: str = "success") -> bool:
        """Whether it was written."""
        after = {"pid": os.getpid(), **what}
        entry = audit.entry(
            self._clock(), service_context(self._part), action, outcome=outcome, after=after
        )
        try:
            self._database.write(entry.append, _NOTE_TIMEOUT_SECONDS)
        except Exception as error:  # noqa: BLE001 - a note keeps nothing from starting or stopping
            logger.warning("Not in the audit trail: %s (%s)", action, error)
            return False
        return True


def enqueue_anchor(connection: Connection, now: datetime, chat: str, checkpoint: Checkpoint) -> int:
    text = anchor_message(str(checkpoint))
    return enqueue(connection, now, Draft(chat, text, anchors.TARGET, str(checkpoint.size)))


def configuration_hash(settings: Settings) -> str:
    """SHA-256 over all settings, the same where they are the same. Of a secret it holds only
    whether it is set: a hash of a weak one could be guessed."""
    plain = {field.name: _plain(getattr(settings, field.name)) for field in fields(settings)}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> str | None:
    if value is None:
        return None
    # The address of a database server holds a password.
    return "set" if isinstance(value, Secret) else without_passwords(str(value))
