"""Tell the head of the seals to places that whoever changes the database may not reach.

A chain of hashes cannot show that its end was cut off, or that it was made anew: a head that was
kept elsewhere can.
"""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, select

from attendance.audit import seals
from attendance.audit.canonical import as_stored, time_of
from attendance.audit.checkpoint import Checkpoint
from attendance.audit.trail import AuditEntry, append, service_context
from attendance.db import Database, advisory_lock, read_all

ACTION = "audit.anchored"
TARGET = "audit_anchor"
_LOOK_SECONDS = 60.0
FILE_EVERY_SECONDS = 3600.0
_CHAT_EVERY = timedelta(days=1)
_CONTEXT = service_context("anchor")
logger = logging.getLogger(__name__)

Enqueue = Callable[[Connection, datetime, str, Checkpoint], int]
"""Writes a message that tells a chat of a checkpoint, in the caller's transaction; its id."""


@dataclass(slots=True)
class Anchors:
    """A background task. Every hour the head goes to the log and to a file beside the database,
    and once a day to `chat`, if there is one, as the message that `enqueue` writes."""

    database: Database
    clock: Callable[[], datetime]
    host: str
    chat: str | None
    enqueue: Enqueue
    _rests_until: float = 0.0

    @property
    def file(self) -> Path:
        """The file that holds the newest checkpoint."""
        return self.database.sidecar(".checkpoint")

    def _age_seconds(self) -> float:
        """Return how old the file is, in either direction: one from a clock that was ahead must not
        stay for good."""
        return abs(time.time() - self.file.stat().st_mtime)

    def __call__(self) -> None:
        if time.monotonic() < self._rests_until:
            return
        self._rests_until = time.monotonic() + _LOOK_SECONDS
        # Each even if the other fails: this process may not write there, or the database is busy.
        try:
            if self.chat is not None:
                self._tell(self.chat)
        finally:
            if not self.file.exists() or self._age_seconds() > FILE_EVERY_SECONDS:
                self.publish()

    def publish(self) -> None:
        """Write the head to the log and the file, if anything is sealed."""
        with self.database.snapshot() as connection:
            checkpoint = _checkpoint(connection, self.host)
        if checkpoint is None:
            return
        logger.info("The audit trail is sealed up to %s", str(checkpoint).replace("\n", " "))
        part = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        part.write_text(str(checkpoint), encoding="utf-8")
        self.database.copy_mode_to(part)
        part.replace(self.file)

    def _tell(self, chat: str) -> None:
        now = self.clock()
        with self.database.snapshot() as connection:
            if not _is_due(connection, now, chat):
                return
        self.database.write(lambda connection: self._enqueue(connection, now, chat))

    def _enqueue(self, connection: Connection, now: datetime, chat: str) -> None:
        advisory_lock(connection, ACTION)
        checkpoint = _checkpoint(connection, self.host)
        if checkpoint is None or not _is_due(connection, now, chat):
            return  # another process was faster
        message_id = self.enqueue(connection, now, chat, checkpoint)
        told = {"checkpoint": str(checkpoint), "message_id": message_id}
        append(connection, now, _CONTEXT, ACTION, target=(TARGET, chat), after=told)


def _checkpoint(connection: Connection, host: str) -> Checkpoint | None:
    newest = seals.head(connection)
    return None if newest is None else Checkpoint.of(newest, host)


def _is_due(connection: Connection, now: datetime, chat: str) -> bool:
    """Tell whether the chat was not told for a day, or nobody can read when it was."""
    told = select(*as_stored(AuditEntry.__table__, ["occurred_at"])).where(
        AuditEntry.target_type == TARGET, AuditEntry.target_id == chat
    )
    found = read_all(connection, told.order_by(AuditEntry.id.desc()).limit(1))
    last = time_of(found[0].occurred_at) if found else None
    return last is None or abs(now - last) >= _CHAT_EVERY
