"""Audit what a use case could not: the requests that were refused, and those that crashed.

Such a request wrote nothing, or what it wrote was rolled back, so its audit row gets a transaction
of its own. A crash is announced to the default chat as well.
"""

import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import datetime, timedelta

from flask import Response, g, request, stream_with_context
from flask.globals import request_ctx
from sqlalchemy import Connection

from attendance import audit
from attendance.audit.throttle import Kind, append_repeated
from attendance.db import BRIEF_WRITE_SECONDS
from attendance.notifications import texts
from attendance.outbox import queries
from attendance.outbox.queue import Draft, enqueue
from attendance.web.audit_context import audit_context
from attendance.web.problems import Problem
from attendance.web.services import services

logger = logging.getLogger(__name__)

_LONGEST_ADDRESS = 200
_ANNOUNCE_CRASHES_EVERY = timedelta(minutes=1)
_CRASH = "crash"
_AUDITED_OF_READS = {401, 403, 429, 500}
_BROKEN_OFF = Problem(500, "broken_off", "The answer broke off before its end.")
_NOT_TAKEN = Problem(499, "not_taken", "The client did not take the answer to its end.")
_TOO_MANY_STREAMS = Problem(
    503,
    "busy",
    "As many exports are under way as may be at the same time: try again.",
    headers={"Retry-After": "10"},
)
_TARGETS = {"attendance_id": "attendance", "message_id": "outbox"}
"""What a request is about, by the name that its route gives to the id in the path."""


def audit_failed_write(action: str, problem: Problem, arguments: Mapping[str, object]) -> None:
    """Audit that `action` was refused or crashed. `arguments` are those of its route."""
    found = ((_TARGETS[name], str(one)) for name, one in arguments.items() if name in _TARGETS)
    _audit_failure(action, problem, next(found, None))


def audit_failed_read(problem: Problem) -> None:
    """Audit, as `api.read`, that a read was refused to somebody, or crashed. One that was merely
    asked for wrongly leaves no row."""
    if problem.status in _AUDITED_OF_READS:
        address = f"{request.method} {request.path}"[:_LONGEST_ADDRESS]
        _audit_failure("api.read", problem, address=address)


def stream(action: str, begin: Callable[[], Iterator[str]], **headers: str) -> Response:
    """Answer with what `begin` gives, which is made while it is under way.

    If it breaks off, no status can tell the client any more: audit it as a crash of `action`, or as
    refused where it was the client that took no more.

    Raises:
        Problem: 503, as many streams as may be are under way. Nothing was begun.
    """
    slots = services().streams
    if not slots.acquire(blocking=False):
        raise _TOO_MANY_STREAMS
    with ExitStack() as slot:
        slot.callback(slots.release)
        parts = stream_with_context(_watched(action, begin()))
        # Given back once, at the end or where the server gives up before the first part.
        taken = slot.pop_all()
    response = Response(_until_its_end(parts, taken), headers=headers)
    response.call_on_close(taken.close)
    return response


def _until_its_end(parts: Iterator[str], taken: ExitStack) -> Iterator[str]:
    with taken, closing(parts):  # type: ignore[type-var]  # a generator, which can be closed
        yield from parts


def _watched(action: str, parts: Iterator[str]) -> Iterator[str]:
    try:
        yield from parts
    except GeneratorExit:
        _audit_failure(action, _NOT_TAKEN)
        raise
    except Exception:
        _audit_failure(action, _BROKEN_OFF)
        raise


def _audit_failure(
    action: str, problem: Problem, target: tuple[str, str] | None = None, **more: str
) -> None:
    """Write the row, unless there are too many of its kind. If even that cannot be written, the log
    gets the fields, and the failure is counted with those of the next minute."""
    made = services()
    now = made.clock()
    context = audit_context(request_ctx.request, made, g.get("actor", audit.ANONYMOUS))
    failure = {**_described(problem, now), **more}
    kind = Kind(action, problem.status, problem.code, context.actor, context.source_ip)
    repeated = made.throttle.take_over(now)
    admitted = made.throttle.admit(now, kind)
    if not (admitted or repeated):
        return

    def work(connection: Connection) -> None:
        append_repeated(connection, now, repeated)
        if not admitted:
            return
        audit.append(
            connection,
            now,
            context,
            action,
            outcome=kind.outcome,
            target=target,
            reason=problem.detail,
            after=failure,
        )
        if kind.outcome == "crashed":
            _announce_crash(connection, now, action, context, made.settings.telegram_chat_id)

    try:
        made.database.write(work, BRIEF_WRITE_SECONDS)
        made.wake.set()
    except Exception as error:  # noqa: BLE001 - whatever it is, the client is to get its answer
        made.throttle.put_back(repeated)
        if admitted:
            made.throttle.count(now, kind)
        _log_instead(error, kind, {**failure, **_fields(context)})


def _described(problem: Problem, now: datetime) -> dict[str, object]:
    took_ms = round((now - g.started_at).total_seconds() * 1000)
    return {"status": problem.status, "code": problem.code, "duration_ms": took_ms}


def _log_instead(error: Exception, kind: Kind, fields: Mapping[str, object]) -> None:
    """Log the failure without a traceback: where the request crashed, the log has that already."""
    why = type(error).__name__
    logger.error("Not in the audit trail (%s): %s %s", why, kind.action, kind.outcome, extra=fields)


def _fields(context: audit.Context) -> dict[str, str | None]:
    return {
        "actor": f"{context.actor.type} {context.actor.name or ''}".strip(),
        "request_id": context.request_id,
        "source_ip": context.source_ip,
        "user_agent": context.user_agent,
    }


def _announce_crash(
    connection: Connection, now: datetime, action: str, context: audit.Context, chat: str | None
) -> None:
    """Tell the default chat, at most once a minute over all processes."""
    last = queries.newest_about(connection, _CRASH)
    if last is None or now - last > _ANNOUNCE_CRASHES_EVERY:
        text = texts.crash_message(action, context.request_id or "", socket.gethostname())
        enqueue(connection, now, Draft(chat, text, _CRASH, None, context.request_id))
