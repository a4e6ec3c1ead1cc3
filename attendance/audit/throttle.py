"""Keep whoever repeats a refused, a crashing or a known act from filling the disk with its rows.

In each minute the first few of a kind are rows of their own; the others of that minute are counted,
and are one row for each kind when it is over. The counts are this process's own. Refusals, crashes
and repeats of what is known are counted apart, so that no flood of one of them takes the rows of
the first of another.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from attendance.audit.trail import ANONYMOUS, Actor, Context, append
from attendance.db import Database

CRASHED = 500
"""The status of what went wrong on our side."""

REPEATED = 200
"""The status of what was known before, whose code is its outcome. Any other is a refusal's."""

WINDOW = timedelta(minutes=1)
_ROWS_A_KIND = 10
_ROWS_A_WINDOW = 60
_KINDS_A_WINDOW = 50


@dataclass(frozen=True, slots=True)
class Kind:
    """What makes two refusals, crashes or repeats the same: act, answer, who, from where."""

    action: str
    status: int
    code: str
    actor: Actor
    source_ip: str | None

    @property
    def outcome(self) -> str:
        if self.status == REPEATED:
            return self.code
        return "crashed" if self.status == CRASHED else "refused"

    def of_anybody(self) -> "Kind":
        """Return the same kind without the caller: there may be too many to tell apart."""
        return Kind(self.action, self.status, self.code, ANONYMOUS, None)


@dataclass(slots=True)
class Repeated:
    """What has no row of its own, and the times of the first and last of it."""

    kind: Kind
    first: datetime
    last: datetime
    count: int = 0


@dataclass(frozen=True, slots=True)
class Repeat:
    """One more of a kind, and whether it has a row of its own: to be counted once that is on disk,
    by `Throttle.note`."""

    kind: Kind
    has_row: bool


class Throttle:
    """The counts of one process; any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: datetime | None = None
        self._seen: Counter[Kind] = Counter()
        self._repeated: dict[Kind, Repeated] = {}
        # By their outcome: of refusals, of crashes, of repeats.
        self._kinds: Counter[str] = Counter()
        self._rows: Counter[str] = Counter()

    def admit(self, now: datetime, kind: Kind) -> bool:
        """Tell whether this refusal is to have a row of its own; if not, it is counted."""
        with self._lock:
            has_row = self._has_room(kind)
            self._note(now, kind, has_row=has_row)
            return has_row

    def has_room(self, kind: Kind) -> bool:
        """Tell, as `admit` does, whether one is to have a row of its own, and count nothing: for a
        transaction, which may run again or come to nothing. Several at once may be told yes."""
        with self._lock:
            return self._has_room(kind)

    def note(self, now: datetime, repeat: Repeat) -> None:
        """Count a repeat once its transaction is on disk, by what `has_room` said of it before."""
        with self._lock:
            self._note(now, repeat.kind, has_row=repeat.has_row)

    def count(self, now: datetime, kind: Kind) -> None:
        """Count one that could not have a row of its own."""
        with self._lock:
            self._since = self._since or now
            self._count(now, self._kind_or_anybody(kind))

    def _has_room(self, kind: Kind) -> bool:
        kind = self._kind_or_anybody(kind)
        return self._seen[kind] < _ROWS_A_KIND and self._rows[kind.outcome] < _ROWS_A_WINDOW

    def _note(self, now: datetime, kind: Kind, *, has_row: bool) -> None:
        self._since = self._since or now
        kind = self._kind_or_anybody(kind)
        if kind not in self._seen:
            self._kinds[kind.outcome] += 1
        self._seen[kind] += 1
        if has_row:
            self._rows[kind.outcome] += 1
        else:
            self._count(now, kind)

    def _count(self, now: datetime, kind: Kind) -> None:
        repeated = self._repeated.setdefault(kind, Repeated(kind, now, now))
        repeated.count, repeated.last = repeated.count + 1, now

    def _kind_or_anybody(self, kind: Kind) -> Kind:
        if kind in self._seen or self._kinds[kind.outcome] < _KINDS_A_WINDOW:
            return kind
        return kind.of_anybody()

    def take_over(self, now: datetime, *, all_of_them: bool = False) -> Sequence[Repeated]:
        """Hand over what was counted in a minute that is over (or until now), for the caller to
        write."""
        with self._lock:
            # A clock that was ahead, and is right again, must not keep the minute open.
            if self._since is None or not (all_of_them or abs(now - self._since) >= WINDOW):
                return ()
            taken = list(self._repeated.values())
            self._since = None
            for counts in (self._seen, self._kinds, self._rows, self._repeated):
                counts.clear()
            return taken

    def put_back(self, repeated: Sequence[Repeated]) -> None:
        """Take back what could not be written: it is counted with what comes in the next minute."""
        with self._lock:
            for one in repeated:
                self._since = min(self._since or one.first, one.first)
                since = self._repeated.setdefault(one.kind, Repeated(one.kind, one.first, one.last))
                since.count, since.first = since.count + one.count, min(since.first, one.first)


def write_repeated(
    database: Database,
    clock: Callable[[], datetime],
    throttle: Throttle,
    *,
    all_of_them: bool = False,
) -> None:
    """Write what was counted and has no row yet, if its minute is over or `all_of_them` is set.
    What cannot be written now is counted on."""
    now = clock()
    if repeated := throttle.take_over(now, all_of_them=all_of_them):
        try:
            database.write(lambda connection: append_repeated(connection, now, repeated))
        except Exception:
            throttle.put_back(repeated)
            raise


def append_repeated(connection: Connection, now: datetime, repeated: Sequence[Repeated]) -> None:
    """Append one row for each kind."""
    for one in repeated:
        append(
            connection,
            now,
            Context(one.kind.actor, source_ip=one.kind.source_ip),
            one.kind.action,
            outcome=one.kind.outcome,
            reason=f"{one.count} more like those before",
            after={
                "status": one.kind.status,
                "code": one.kind.code,
                "repeated": one.count,
                "first": one.first,
                "last": one.last,
            },
        )
