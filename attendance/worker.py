"""Compose the dispatcher and the background jobs, and run them in a thread of a gunicorn worker.

What the jobs are is said in `maintenance.tasks`; here they only get what they work with.
"""

import logging
import random
import secrets
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection

from attendance.api_keys import Uses
from attendance.audit import service_context
from attendance.audit.throttle import Throttle
from attendance.config import Settings
from attendance.config.capacity import SENDERS
from attendance.config.secrets import Secret
from attendance.db import Database, DatabaseError
from attendance.maintenance import tasks
from attendance.maintenance.lifecycle import Lifecycle, ProcessParts, Task
from attendance.notifications.outcomes import record_outcome
from attendance.outbox import circuit_breaker, rate_limiter
from attendance.outbox.dependencies import Dependencies, OnCrash
from attendance.outbox.dispatcher import Dispatcher
from attendance.outbox.heartbeat import dispatcher_name, heartbeat_of
from attendance.outbox.rate_limits import Rate, RateLimits
from attendance.outbox.transport import Outgoing
from attendance.outbox.types import Policy, Settled
from attendance.telegram.client import TelegramClient
from attendance.telegram.digest import merge

logger = logging.getLogger(__name__)

UNCONFIGURED = (
    "TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID are not both set: attendance is recorded and messages "
    "wait. Set them and restart, and they go out."
)


def create_dispatcher(
    settings: Settings,
    database: Database,
    wake: threading.Event,
    is_alive: Callable[[], bool] = lambda: True,
    lifecycle_tasks: Sequence[Task] = (),
    on_crash: OnCrash = lambda *_: None,
) -> Dispatcher | None:
    """Make a dispatcher for this process, which also runs `lifecycle_tasks`, tells `on_crash` what
    failed, and ends once `is_alive` says no; None if Telegram is not configured."""
    token, chat_id = settings.telegram_bot_token, settings.telegram_chat_id
    if token is None or chat_id is None:
        _note_unconfigured(database)
        return None
    name = dispatcher_name(socket.gethostname())
    parts = _parts(settings, database, name, token, chat_id)
    database.notify(wake)
    return Dispatcher(
        Dependencies(
            name=name,
            database=database,
            transport=parts.client,
            policy=parts.policy,
            total_seconds=settings.telegram_timeout.total_seconds,
            poll_seconds=settings.outbox_poll_seconds,
            wake=wake,
            clock=database.clock,
            random=random.random,
            new_token=lambda: secrets.token_hex(16),
            on_outcome=_audit_outcome,
            tasks=(*tasks.dispatcher_tasks(parts), *lifecycle_tasks),
            probes=tasks.probes(parts),
            on_stop=parts.heartbeat.stop,
            on_crash=on_crash,
            is_alive=is_alive,
            senders=SENDERS,
        )
    )


def _parts(
    settings: Settings, database: Database, name: str, token: Secret, chat_id: str
) -> tasks.DispatcherParts:
    policy = _policy(settings)
    return tasks.DispatcherParts(
        database=database,
        policy=policy,
        chat_id=chat_id,
        client=_client(settings, token, partial(_may_resend, database, policy.rate_limits)),
        heartbeat=heartbeat_of(database, name),
    )


def _note_unconfigured(database: Database) -> None:
    """Let the time until messages are given up stand still, whoever delivers later."""
    now = database.clock()
    database.write(lambda connection: circuit_breaker.open(connection, now, "unconfigured"))


@dataclass(slots=True)
class Running:
    """A dispatcher, or if there is none the lifecycle, in a thread of its own."""

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
    """Run until it is stopped."""
    try:
        dispatcher.run()
    except Exception as error:
        # A thread that ends by itself takes no request down with it: without this row nobody would
        # learn of it.
        on_crash("thread", error)
        raise


def create_lifecycle(
    part: str, settings: Settings, database: Database, throttle: Throttle, uses: Uses | None = None
) -> Lifecycle:
    """Make what a process does beside its work, whether or not it delivers. `uses` are those of the
    keys of its requests, if it serves any."""
    parts = ProcessParts(
        part=part,
        settings=settings,
        database=database,
        clock=database.clock,
        throttle=throttle,
        uses=uses or Uses(),
    )
    return Lifecycle(parts, tasks.own_tasks(parts), tasks.shared_tasks(parts))


def start_in_worker(worker: Any) -> None:
    """Run as gunicorn's `post_worker_init`: after the fork, and after privileges were dropped."""
    made = worker.wsgi.extensions["attendance"]
    lifecycle = create_lifecycle("worker", made.settings, made.database, made.throttle, made.uses)
    lifecycle.note_start()
    worker.lifecycle = lifecycle
    dispatcher = _dispatcher(made, lifecycle, lambda: worker.alive)
    worker.dispatching = Running.start(dispatcher or lifecycle, lifecycle.note_failure)


def _dispatcher(
    services: Any, lifecycle: Lifecycle, is_alive: Callable[[], bool]
) -> Dispatcher | None:
    if not services.settings.dispatcher:
        return None
    try:
        return create_dispatcher(
            services.settings,
            services.database,
            services.wake,
            is_alive,
            lifecycle.tasks,
            lifecycle.note_failure,
        )
    except DatabaseError as error:
        # Whoever posts must not suffer for it: messages are kept, and another worker's dispatcher,
        # or this one's after a restart, delivers them.
        logger.exception("The dispatcher could not be made; this worker serves HTTP only")
        lifecycle.note_failure("start", error)
        return None


def stop_in_worker(worker: Any) -> None:
    """Run as gunicorn's `worker_exit`, once requests are drained: wait for the deliveries that are
    under way, then close the database."""
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
    """Convert the limits that the operator sets into the outbox's own: it knows no settings."""
    overall, private, group = (
        None if rate is None else Rate(rate.count, rate.seconds)
        for rate in (
            settings.outbox_rate_overall,
            settings.outbox_rate_chat,
            settings.outbox_rate_group,
        )
    )
    return RateLimits(overall, private, group)


def _may_resend(database: Database, limits: RateLimits, message: Outgoing) -> bool:
    """Tell whether the limits leave room for one more request to this message's chat, at once."""
    now = database.clock()
    try:
        return database.write(lambda c: rate_limiter.try_consume(c, limits, message.chat_id, now))
    except DatabaseError:
        return False  # the message was surely refused: it is sent again later, as plain text


_DISPATCHER = service_context("dispatcher")


def _audit_outcome(connection: Connection, now: Any, settled: Settled) -> None:
    record_outcome(connection, now, _DISPATCHER, settled)
