"""Forget what is old, a little at a time: settled messages, and answers kept for a repeat.

`Pruner` is a background task: called often, it acts rarely, in one process at a time, for a few
milliseconds.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, tuple_

from attendance import audit
from attendance.db import Database, TooBusy, format_utc
from attendance.maintenance import run_claims
from attendance.models import IdempotencyKey
from attendance.outbox import pruning

logger = logging.getLogger(__name__)

KEYS_KEPT = timedelta(days=7)
_STEP = 100
PAUSE = timedelta(seconds=1)
LOOK_AGAIN = timedelta(minutes=10)
_PATIENCE_SECONDS = 1.0
_TURN = "prune"
_CONTEXT = audit.service_context("retention")
_by_key = (IdempotencyKey.key_lineage, IdempotencyKey.key)


@dataclass(slots=True)
class Pruner:
    """Messages are kept for `keep` after they are settled, keys for `KEYS_KEPT`."""

    database: Database
    keep: timedelta
    clock: Callable[[], datetime]
    _looked_at: datetime | None = None
    _wait: timedelta = timedelta()

    def __call__(self) -> None:
        now = self.clock()
        # In either direction: a clock that was years ahead and is set right must not stop this for
        # years.
        if self._looked_at is not None and abs(now - self._looked_at) < self._wait:
            return
        self._looked_at, self._wait = now, PAUSE if self._has_something(now) else LOOK_AGAIN
        if self._wait == PAUSE:
            self._step(now)

    def _has_something(self, now: datetime) -> bool:
        with self.database.snapshot() as connection:
            return pruning.is_due(connection, now - self.keep) or _has_old_keys(connection, now)

    def _step(self, now: datetime) -> None:
        with self.database.snapshot() as connection:
            if not run_claims.is_due(connection, now, _TURN, PAUSE):
                return
        try:
            self.database.write(lambda c: _prune(c, now, now - self.keep), _PATIENCE_SECONDS)
        except TooBusy:
            logger.info("The database is busy: pruning waits")


def prune_messages(
    connection: Connection,
    now: datetime,
    before: datetime,
    limit: int,
    context: audit.Context,
    reason: str | None = None,
) -> int:
    """Forget up to `limit` messages that were settled before this time, with an entry in the trail;
    return how many there were."""
    ids = pruning.prune(connection, before, limit)
    if ids:
        after = _described(ids, before)
        audit.append(connection, now, context, "outbox.pruned", reason=reason, after=after)
    return len(ids)


def _prune(connection: Connection, now: datetime, before: datetime) -> None:
    if run_claims.claim_run(connection, now, _TURN, PAUSE):
        prune_messages(connection, now, before, _STEP, _CONTEXT)
        _forget_keys(connection, now)


def _described(ids: Sequence[int], before: datetime) -> dict[str, object]:
    return {
        "messages": len(ids),
        "first_id": min(ids),
        "last_id": max(ids),
        "settled_before": format_utc(before),
    }


def _has_old_keys(connection: Connection, now: datetime) -> bool:
    old = select(IdempotencyKey.created_at).where(IdempotencyKey.created_at < now - KEYS_KEPT)
    return connection.execute(old.limit(1)).first() is not None


def _forget_keys(connection: Connection, now: datetime) -> None:
    old = select(*_by_key).where(IdempotencyKey.created_at < now - KEYS_KEPT).limit(_STEP)
    connection.execute(delete(IdempotencyKey).where(tuple_(*_by_key).in_(old)))
