"""The one list of background jobs: what a process does beside its work, how often, and who does it.

`JOBS` names them all, in the order in which a process runs them. Each is called about once a second
or more often, and keeps its own pace: nothing runs at an hour of its own, such as at night. To add
one, add it to one of the lists below: `worker` starts what is listed here, and nothing else.
"""

import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Generic, Literal, TypeVar

from sqlalchemy import Connection

from attendance.audit import anchors, sealer, throttle
from attendance.db import Database
from attendance.maintenance import prober, pruner
from attendance.maintenance.lifecycle import ProcessParts, Task, enqueue_anchor
from attendance.outbox import circuit_breaker, heartbeat_files, heartbeat_rows, parking, queue
from attendance.outbox.clock_skew import ClockSkewGuard
from attendance.outbox.dependencies import Probe
from attendance.outbox.heartbeat import Heartbeat
from attendance.outbox.types import Policy
from attendance.telegram.client import TelegramClient

logger = logging.getLogger(__name__)
T = TypeVar("T")
Parts = TypeVar("Parts")
Made = TypeVar("Made")

RunBy = Literal["each process", "each dispatcher", "one process at a time"]
"""`one process at a time`: of those that deliver, or would if there were a bot, any may do it; in
the database one of them is first."""

LOOK_EVERY_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatcherParts:
    """What the jobs of a dispatcher work with."""

    database: Database
    policy: Policy
    chat_id: str
    client: TelegramClient
    heartbeat: Heartbeat


@dataclass(frozen=True, slots=True)
class Job(Generic[Parts, Made]):
    """One background job: what it does, how often at most, who runs it, and how one process makes
    it from its parts."""

    name: str
    does: str
    every: str
    run_by: RunBy
    make: Callable[[Parts], Made]


def once(task: Callable[[], object]) -> Callable[[], None]:
    """Run `task` until it has succeeded, and never again."""
    done = False

    def run() -> None:
        nonlocal done
        if not done:
            task()
            done = True

    return run


def at_most_every(seconds: float, look: Callable[[], T]) -> Callable[[], T | None]:
    """Run `look` at most this often: it costs a query, and each POST wakes the dispatcher."""
    done_at = float("-inf")

    def run() -> T | None:
        nonlocal done_at
        if time.monotonic() - done_at < seconds:
            return None
        answer = look()
        # Only now: a look that failed is made again in the next round.
        done_at = time.monotonic()
        return answer

    return run


def _probe_soon(database: Database) -> None:
    now = database.clock()
    database.write(lambda connection: circuit_breaker.probe_soon(connection, now))


def _adopt(database: Database, chat_id: str) -> None:
    """Give our chat to what another process wrote while it had no configuration."""
    with database.query() as connection:
        if not queue.waits_for_configuration(connection):
            return
    now = database.clock()

    def work(connection: Connection) -> int:
        circuit_breaker.close(connection, now, "unconfigured")
        return queue.adopt(connection, now, chat_id)

    if adopted := database.write(work):
        logger.info("%d messages that waited for a default chat go out now", adopted)


def _write_repeated(parts: ProcessParts) -> Task:
    write = partial(throttle.write_repeated, parts.database, parts.clock, parts.throttle)
    return Task(write, at_stop=partial(write, all_of_them=True))


def _write_uses(parts: ProcessParts) -> Task:
    write = partial(parts.uses.write, parts.database)
    return Task(write, at_stop=write)


def _seal(parts: ProcessParts) -> Task:
    sealing = sealer.Sealer(parts.database, parts.clock, parts.settings.audit_hmac_key)
    return Task(sealing, at_stop=sealing.finish)


def _anchor(parts: ProcessParts) -> Task:
    chat = parts.settings.audit_anchor_chat
    anchoring = anchors.Anchors(
        parts.database, parts.clock, socket.gethostname(), chat, enqueue_anchor
    )
    return Task(anchoring, at_stop=anchoring.publish)


def _prune(parts: ProcessParts) -> Task:
    keep = timedelta(days=parts.settings.outbox_retention_days)
    return Task(pruner.Pruner(parts.database, keep, parts.clock))


def _look_after_bot(parts: DispatcherParts) -> Probe:
    look = partial(prober.probe_bot, parts.database, parts.client, parts.database.clock)
    return at_most_every(LOOK_EVERY_SECONDS, look)


def _look_after_chats(parts: DispatcherParts) -> Probe:
    look = partial(prober.probe_chats, parts.database, parts.client, parts.database.clock)
    return at_most_every(LOOK_EVERY_SECONDS, look)


OF_DISPATCHERS: tuple[Job[DispatcherParts, Task], ...] = (
    Job(
        "heartbeat",
        "Give a sign of life: touch a file beside the database, or on PostgreSQL write a row.",
        f"{heartbeat_files.BEAT_SECONDS:g} s, on PostgreSQL {heartbeat_rows.BEAT_SECONDS:g} s",
        "each dispatcher",
        lambda parts: Task(parts.heartbeat.beat),
    ),
    Job(
        "clock skew",
        "Notice that the clock was set back, and plan anew what lies too far ahead.",
        "each round",
        "each dispatcher",
        lambda parts: Task(
            ClockSkewGuard(parts.database, parts.policy, parts.database.clock).check
        ),
    ),
    Job(
        "probe soon",
        "Have a stopped bot probed at once: this process may have a new configuration.",
        "once, at the start",
        "each dispatcher",
        lambda parts: Task(once(partial(_probe_soon, parts.database))),
    ),
    Job(
        "adopt",
        "Give the default chat to messages that were written while none was configured.",
        f"{LOOK_EVERY_SECONDS:g} s",
        "each dispatcher",
        lambda parts: Task(
            at_most_every(LOOK_EVERY_SECONDS, partial(_adopt, parts.database, parts.chat_id))
        ),
    ),
)
OF_EACH_PROCESS: tuple[Job[ProcessParts, Task], ...] = (
    Job(
        "repeated refusals",
        "Write to the trail what was counted without rows: refusals, crashes and repeats.",
        f"{throttle.WINDOW.total_seconds():g} s, and at the stop",
        "each process",
        _write_repeated,
    ),
    Job(
        "key uses",
        "Store when the keys of requests that only read were last used.",
        "each round, and at the stop",
        "each process",
        _write_uses,
    ),
)
FOR_ALL: tuple[Job[ProcessParts, Task], ...] = (
    Job(
        "seal",
        "Seal what has come into the audit trail.",
        f"{sealer.EVERY_SECONDS:g} s, and at the stop",
        "one process at a time",
        _seal,
    ),
    Job(
        "anchor",
        "Tell the newest seal to the log and a file, and once a day to AUDIT_ANCHOR_CHAT.",
        f"{anchors.FILE_EVERY_SECONDS / 3600:g} h, and at the stop",
        "one process at a time",
        _anchor,
    ),
    Job(
        "prune",
        "Forget messages and kept answers that are older than they are kept, some at a time.",
        f"{pruner.LOOK_AGAIN.total_seconds() / 60:g} min, each {pruner.PAUSE.total_seconds():g} s "
        "while any are left",
        "one process at a time",
        _prune,
    ),
)
PROBES: tuple[Job[DispatcherParts, Probe], ...] = (
    Job(
        "probe bot",
        "Ask Telegram whether a stopped bot is accepted again.",
        f"{circuit_breaker.FIRST_PROBE.total_seconds():g} s, then ever later, up to "
        f"{circuit_breaker.LONGEST_PROBE.total_seconds():g} s",
        "one process at a time",
        _look_after_bot,
    ),
    Job(
        "probe chats",
        "Ask Telegram whether a chat that refused us accepts us again.",
        f"{parking.FIRST_PROBE.total_seconds() / 60:g} min, then ever later, up to "
        f"{parking.LONGEST_PROBE.total_seconds() / 3600:g} h",
        "one process at a time",
        _look_after_chats,
    ),
)
JOBS: tuple[Job[Any, Any], ...] = (*OF_DISPATCHERS, *OF_EACH_PROCESS, *FOR_ALL, *PROBES)


def own_tasks(parts: ProcessParts) -> list[Task]:
    """Make what every process does for itself."""
    return [job.make(parts) for job in OF_EACH_PROCESS]


def shared_tasks(parts: ProcessParts) -> list[Task]:
    """Make what one process does for all; nothing in workers with DISPATCHER=off, which leave it
    to others."""
    return [job.make(parts) for job in FOR_ALL] if parts.works_for_all else []


def dispatcher_tasks(parts: DispatcherParts) -> list[Task]:
    """Make what each dispatcher does between its polls."""
    return [job.make(parts) for job in OF_DISPATCHERS]


def probes(parts: DispatcherParts) -> list[Probe]:
    """Make the questions to Telegram, which a dispatcher asks in a thread of their own."""
    return [job.make(parts) for job in PROBES]
