"""The background job that decides when to seal; `seals` makes the seal and writes it. Any number of
processes may run it: one of them wins each seal.

What is hashed was committed and never changes, so it is read and hashed before the lock is taken.
Under the lock the head is compared and the seal written, and nothing else.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from attendance.audit import seals
from attendance.audit.canonical import time_of
from attendance.config.secrets import Secret
from attendance.db import BRIEF_WRITE_SECONDS, Database

EVERY_SECONDS = 1.0
_ROWS_A_SEAL = 500
_SEALS_A_ROUND = 4
logger = logging.getLogger(__name__)


def seal_all(connection: Connection, now: datetime, key: Secret | None) -> None:
    """Seal all that is there in the caller's transaction, after which nothing is written."""
    above, more = 0, True
    while more and (batch := seals.prepare(connection, now, key, above, _ROWS_A_SEAL)) is not None:
        seals.append(connection, now, batch)
        above, more = batch.leaves[-1]["audit_id"], bool(batch.seal["backlog"])


class Sealer:
    """A background task: call it often, it keeps its own pace."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime], key: Secret | None
    ) -> None:
        self._database, self._clock, self._key = database, clock, key
        # Below it all is sealed, and nothing can appear any more. 0: look at the whole trail.
        self._floor = 0
        # Within a backlog, above the batch before; back to the floor once nothing is left there.
        self._above = 0
        self._rests_until = 0.0

    def __call__(self) -> None:
        """Seal what has come in, about once a second and a few batches at a time."""
        if time.monotonic() < self._rests_until:
            return
        self._rests_until = time.monotonic() + EVERY_SECONDS
        if self._is_idle() or self._another_is_at_it():
            return
        for _ in range(_SEALS_A_ROUND):
            if not self.seal_once():
                return
        self._rests_until = 0.0

    def finish(self) -> None:
        """Seal all that is there. Call it at the stop, when nothing more is written."""
        while self.seal_once():
            pass

    def seal_once(self) -> bool:
        """Write one seal, if there is anything to seal; tell whether more may wait."""
        now = self._clock()
        with self._database.snapshot() as connection:
            batch = self._next_batch(connection, now)
        if batch is None:
            return False
        try:
            won = self._database.write(
                lambda connection: seals.append(connection, now, batch), BRIEF_WRITE_SECONDS
            )
        except IntegrityError as error:
            # Two sealed at once, which happens if the database lets transactions overlap: the other
            # one's seal stands.
            logger.warning("A seal of the audit trail was refused: %s", error.orig)
            return False
        more = bool(batch.seal["backlog"])
        self._above = batch.leaves[-1]["audit_id"] if won and more else self._floor
        return more or not won

    def _next_batch(self, connection: Connection, now: datetime) -> seals.Batch | None:
        """Prepare what is above the batch before, while there is a backlog; else what is above the
        floor."""
        # The last batch of a backlog, too, begins at the floor: a seal that says it left nothing
        # must have left nothing below it either.
        if self._above > self._floor:
            batch = seals.prepare(connection, now, self._key, self._above, _ROWS_A_SEAL)
            if batch is not None and batch.seal["backlog"]:
                return batch
        self._above = self._floor
        batch = seals.prepare(connection, now, self._key, self._floor, _ROWS_A_SEAL)
        self._raise_floor(connection, now, batch)
        return batch

    def _raise_floor(
        self, connection: Connection, now: datetime, batch: seals.Batch | None
    ) -> None:
        """Raise the floor past what is sealed and settled."""
        # All of this is seen in one state of the database: in it there is nothing unsealed between
        # the floor and the first row of the batch.
        settled = seals.settled_id(connection, now)
        sealed = settled if batch is None else min(settled, batch.leaves[0]["audit_id"] - 1)
        self._floor = max(self._floor, sealed)

    def _is_idle(self) -> bool:
        """Tell whether all that was written is sealed and settled."""
        # Asked each second, for ever: this look costs next to nothing.
        with self._database.query() as connection:
            return not seals.any_above(connection, self._floor)

    def _another_is_at_it(self) -> bool:
        with self._database.query() as connection:
            newest = seals.head(connection)
        if newest is None or newest["backlog"]:
            return False
        sealed_at = time_of(newest["sealed_at"])
        if sealed_at is None:  # a stranger wrote it: that must not keep the rest from being sealed
            return False
        return timedelta() <= self._clock() - sealed_at < timedelta(seconds=EVERY_SECONDS)
