"""Wires the dispatcher, and runs it in a thread of a gunicorn worker."""

import logging
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from attendance.audit import service_context
from attendance.audit.throttle import Throttle
from attendance.config import Settings
from attendance.config.secrets import Secret
from attendance.db import Database, DatabaseError
from attendance.maintenance import prober
from attendance.maintenance.lifecycle import Lifecycle
from attendance.maintenance.pruner import Pruner
from attendance.notifications.operations import record_outcome
from attendance.outbox import circuit_breaker, queue, rate_limiter
from attendance.outbox.clock_skew import ClockSkewGuard
from attendance.outbox.dependencies import Dependencies, OnCrash, Probe, Task
from attendance.outbox.dispatcher import Dispatcher
from attendance.outbox.heartbeat import dispatcher_name, heartbeat_of
from attendance.outbox.rate_limits import Rate, RateLimits
from attendance.outbox.transport import Outgoing
from attendance.outbox.types import Policy, Settled
from attendance.telegram.client import TelegramClient
from attendance.telegram.digest import merge

logger = logging.getLogger(__name__)
T = TypeVar("T")

_SELDOM_SECONDS = 0.25

UNCONFIGURED = (
    "TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID are not both set: attendance is recorded and messages "
    "wait. Set them and restart, and they go out."
)


def create_dispatcher(
    settings: Settings,
    database: Database,
    wake: threading.Event,
    is_alive: Callable[[], bool] = lambda: True,
    chores: Sequence[Task] = (),
    on_crash: OnCrash = lambda *_: None,
) -> Dispatcher | None:
    """A dispatcher for this process, which also sees to `chores` and tells `on_crash` what failed;
    None where Telegram is not configured, which is noted, so that the time until messages are given
    up stands still. Where `is_alive` says no it ends."""
    token, chat_id = settings.telegram_bot_token, settings.telegram_chat_id
    if token is None or chat_id is None:
        _note_unconfigured(database)
        return None
    policy = _policy(settings)
    client = _client(settings, token, partial(_may_resend, database, policy.rate_limits))
    name = dispatcher_name(socket.gethostname())
    heartbeat = heartbeat_of(database, name)
    database.notify(wake)
    return Dispatcher(
        Dependencies(
            name=name,
            database=database,
            transport=client,
            policy=policy,
            total_seconds=settings.telegram_timeout.total_seconds,
            poll_seconds=settings.outbox_poll_seconds,
            wake=wake,
            clock=database.clock,
            random=random.random,
            new_token=lambda: secrets.token_hex(16),
            on_outcome=_audit_outcome,
            tasks=(heartbeat.beat, *_chores(database, chat_id, policy), *chores),
            probes=_probes(database, client),
            on_stop=heartbeat.stop,
            on_crash=on_crash,
            is_alive=is_alive,
        )
    )


def _note_unconfigured(database: Database) -> None:
    now = database.clock()
    database.write(lambda connection: circuit_breaker.open(connection, now, "unconfigured"))


def _chores(database: Database, chat_id: str, policy: Policy) -> tuple[Task, ...]:
    return (
        ClockSkewGuard(database, policy, database.clock).check,
        _once(partial(_probe_soon, database)),
        _seldom(partial(_take_up, database, chat_id)),
    )


def _probes(database: Database, client: TelegramClient) -> tuple[Probe, ...]:
    return (
        _seldom(partial(prober.probe_bot, database, client, database.clock)),
        _seldom(partial(prober.probe_chats, database, client, database.clock)),
    )


@dataclass(slots=True)
class Running:
    """A dispatcher, or where there is none a caretaker, in a thread of its own."""

    dispatcher: Dispatcher | Lifecycle
    thread: threading.Thread

    @classmethod
    def start(
        cls, dispatcher: Dispatcher | Lifecycle, on_crash: OnCrash = lambda *_: None
    ) -> "Running":
        run = partial(_run, dispatcher, on_crash)
        # A daemon: a thread that is not would keep a worker alive that is to end.
        thread = threading.Thread(target=run, name="dispatcher", daemon=True)
        thread.start()
        return cls(dispatcher, thread)

    def stop(self, timeout_seconds: float) -> None:
        if not self.dispatcher.stop(timeout_seconds):
            logger.warning("Messages are still under way at the stop and are left to their leases")
        self.thread.join(1.0)


def _run(dispatcher: Dispatcher | Lifecycle, on_crash: OnCrash) -> None:
    """Until it is stopped. That the thread ends by itself is nowhere else to be seen."""
    try:
        dispatcher.run()
    except Exception as error:
        on_crash("thread", error)
        raise


def create_lifecycle(
    part: str,
    settings: Settings,
    database: Database,
    refusals: Throttle,
    own: Sequence[Task] = (),
) -> Lifecycle:
    """What a process sees to whether or not it delivers; `own` besides what all do."""
    pruning = Pruner(database, timedelta(days=settings.outbox_retention_days), database.clock)
    clock, shared = database.clock, (pruning,)
    return Lifecycle(part, settings, database, clock, refusals, shared, own)


def start_in_worker(worker: Any) -> None:
    """gunicorn's `post_worker_init`: after the fork, and after privileges were dropped."""
    services = worker.wsgi.extensions["attendance"]
    uses = partial(services.uses.write, services.database)
    caretaker = create_lifecycle(
        "worker", services.settings, services.database, services.throttle, (uses,)
    )
    caretaker.note_start()
    worker.lifecycle = caretaker
    dispatcher = _dispatcher(services, caretaker, lambda: worker.alive)
    worker.dispatching = Running.start(dispatcher or caretaker, caretaker.note_failure)


def _dispatcher(
    services: Any, caretaker: Lifecycle, is_alive: Callable[[], bool]
) -> Dispatcher | None:
    if not services.settings.dispatcher:
        return None
    try:
        return create_dispatcher(
            services.settings,
            services.database,
            services.wake,
            is_alive,
            caretaker.tasks,
            caretaker.note_failure,
        )
    except DatabaseError as error:
        logger.exception("The dispatcher could not be made; this worker serves HTTP only")
        caretaker.note_failure("start", error)
        return None


def stop_in_worker(worker: Any) -> None:
    """gunicorn's `worker_exit`: requests are drained; wait for what is under way, then close."""
    running: Running | None = getattr(worker, "dispatching", None)
    app = getattr(worker, "wsgi", None)
    if running is None and app is None:
        return
    services = app.extensions["attendance"]  # type: ignore[union-attr]
    try:
        if running is not None:
            running.stop(services.settings.telegram_timeout.total_seconds + 2)
            worker.lifecycle.finish()
    finally:
        services.database.close()


def _client(
    settings: Settings, token: Secret, may_resend: Callable[[Outgoing], bool]
) -> TelegramClient:
    return TelegramClient(
        may_resend=may_resend,
        token=token,
        api_base=settings.telegram_api_base,
        connect_seconds=settings.telegram_timeout.connect_seconds,
    )


def _policy(settings: Settings) -> Policy:
    return Policy(
        lease=timedelta(seconds=settings.outbox_lease_seconds),
        give_up_after=settings.outbox_give_up_after,
        uncertain=settings.outbox_uncertain,
        rate_limits=rate_limits(settings),
        merge=merge if settings.outbox_digest == "auto" else None,
        timezone=settings.timezone,
    )


def rate_limits(settings: Settings) -> RateLimits:
    """The limits that the operator sets, as the outbox keeps them."""
    overall, private, group = (
        None if rate is None else Rate(rate.count, rate.seconds)
        for rate in (
            settings.outbox_rate_overall,
            settings.outbox_rate_chat,
            settings.outbox_rate_group,
        )
    )
    return RateLimits(overall, private, group)


def _may_resend(database: Database, pace: RateLimits, message: Outgoing) -> bool:
    """Whether the pace has room for one more request of this message's chat, at once."""
    now = database.clock()
    try:
        return database.write(lambda c: rate_limiter.try_consume(c, pace, message.chat_id, now))
    except DatabaseError:
        return False  # the message was refused for sure: it comes again, as plain text


_DISPATCHER = service_context("dispatcher")


def _audit_outcome(connection: Connection, now: Any, settled: Settled) -> None:
    record_outcome(connection, now, _DISPATCHER, settled)


def _once(chore: Callable[[], object]) -> Callable[[], None]:
    """A chore that is done when it has succeeded."""
    done = False

    def run() -> None:
        nonlocal done
        if not done:
            chore()
            done = True

    return run


def _seldom(look: Callable[[], T]) -> Callable[[], T | None]:
    """What costs a look at the database: not one in each of the rounds that posts cause."""
    done_at = float("-inf")

    def run() -> T | None:
        nonlocal done_at
        if time.monotonic() - done_at < _SELDOM_SECONDS:
            return None
        answer = look()
        done_at = time.monotonic()
        return answer

    return run


def _probe_soon(database: Database) -> None:
    now = database.clock()
    database.write(lambda connection: circuit_breaker.probe_soon(connection, now))


def _take_up(database: Database, chat_id: str) -> None:
    """What another process wrote without a configuration is delivered with ours."""
    with database.query() as connection:
        if not queue.waits_for_configuration(connection):
            return
    now = database.clock()

    def work(connection: Connection) -> int:
        circuit_breaker.close(connection, now, "unconfigured")
        return queue.adopt(connection, now, chat_id)

    if adopted := database.write(work):
        logger.info("%d messages that waited for a default chat go out now", adopted)
