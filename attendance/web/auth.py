"""Who calls, from where, and may they: a decorator for routes that read and one for those that
write.

`writes` supplies the context in which the use case writes its own audit row. What the use case
cannot write, because it refused or crashed, the decorator audits in a transaction of its own; the
handler knows nothing of it.
"""

import logging
import random
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps

from flask import Flask, Request, Response, g, request, stream_with_context
from flask.globals import request_ctx
from sqlalchemy import Connection

from attendance import api_keys, audit
from attendance.audit.throttle import Kind, append_repeated
from attendance.config.secrets import redact
from attendance.models import Role
from attendance.notifications import texts
from attendance.outbox import queries
from attendance.outbox.queue import Draft, enqueue
from attendance.web.client_ip import client_address
from attendance.web.problems import Problem, problem_of
from attendance.web.services import Services, services

logger = logging.getLogger(__name__)

_SANE_ID = re.compile("[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile("[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_LONGEST_ADDRESS = 200
_AUDIT_TIMEOUT_SECONDS = 2.0
_ANNOUNCE_CRASHES_EVERY = timedelta(minutes=1)
_CRASH = "crash"
_AUDITED_OF_READS = {401, 403, 500}
_BROKEN_OFF = Problem(500, "broken_off", "The answer broke off before its end.")
_TARGETS = {"attendance_id": "attendance", "message_id": "outbox"}
"""What an address is about, by the name that its route gives to the id in it."""


@dataclass(frozen=True, slots=True)
class AuthenticatedRequest:
    """One authenticated request."""

    key: api_keys.Key
    context: audit.Context
    now: datetime


Handler = Callable[..., Response]


def install(app: Flask) -> None:
    """Give every request an id, the client's own if it sent a sane one, and return it."""

    @app.before_request
    def identify() -> None:
        given, now = request.headers.get("X-Request-Id", ""), services().clock()
        sane = _SANE_ID.fullmatch(given) and redact(given) == given
        g.request_id = given if sane else _new_id(now)
        g.started_at = now

    @app.after_request
    def tell(response: Response) -> Response:
        headers = response.headers
        headers.add("X-Request-Id", g.request_id)
        headers.add("X-Content-Type-Options", "nosniff")
        headers.setdefault("Cache-Control", "no-store")
        return response


def _new_id(now: datetime) -> str:
    """The milliseconds since 1970 in 12 digits, and 20 at random. Those that follow each other lie
    side by side in the index on them: at random, each would change a page of its own."""
    return f"{int(now.timestamp() * 1000):012x}{random.getrandbits(80):020x}"


def reader(*roles: Role) -> Callable[[Handler], Handler]:
    """A route that answers those with one of `roles`, or where none is named everybody, and changes
    nothing. Who was refused the look, and a crash, are audited as `api.read`."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def wrapped(**arguments: object) -> Response:
            try:
                if roles:
                    made = services()
                    made.uses.note(g.started_at, _authorized(request_ctx.request, made, roles))
                return handler(**arguments)
            except Exception as error:
                problem = problem_of(error)
                if problem.status in _AUDITED_OF_READS:
                    _note_failure("api.read", problem, address=_address())
                raise

        return wrapped

    return decorate


def audited_write(action: str, *roles: Role) -> Callable[[Handler], Handler]:
    """A route that changes something, for those with one of `roles`. The handler gets the `Call`
    first. Refusals and crashes are audited as `action`."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def wrapped(**arguments: object) -> Response:
            try:
                asked, made = request_ctx.request, services()
                key = _authorized(asked, made, roles)
                call = AuthenticatedRequest(key, _context(asked, made, key.actor), g.started_at)
                return handler(call, **arguments)
            except Exception as error:
                _note_failure(action, problem_of(error), _target(arguments))
                raise

        return wrapped

    return decorate


def streamed(action: str, parts: Iterator[str]) -> Iterator[str]:
    """The parts of an answer, read while it is under way. Where they break off, which no status can
    tell any more, that is audited as a crash of `action`."""

    def read() -> Iterator[str]:
        try:
            yield from parts
        except Exception:
            _note_failure(action, _BROKEN_OFF)
            raise

    return stream_with_context(read())


def _target(arguments: Mapping[str, object]) -> tuple[str, str] | None:
    """What a request is about, by its address."""
    found = ((_TARGETS[name], str(one)) for name, one in arguments.items() if name in _TARGETS)
    return next(found, None)


def _authorized(asked: Request, made: Services, roles: tuple[Role, ...]) -> api_keys.Key:
    """The key of this request. (The request itself: each look through Flask's proxy costs as much
    as a small function.)

    Raises:
        Problem: 401 without a live key, 403 where its role is not one of `roles`.
    """
    scheme, _, presented = asked.headers.get("Authorization", "").partition(" ")
    key = None
    if scheme.lower() == "bearer" and presented.strip():
        with made.database.query() as connection:
            key = api_keys.find(connection, presented.strip())
    if key is None:
        raise Problem(
            401,
            "unauthenticated",
            "Send a live API key as `Authorization: Bearer KEY`.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    g.actor = key.actor
    if key.role not in roles:
        raise Problem(
            403,
            "forbidden",
            f"This key has the role {key.role}; this address is for {' or '.join(roles)}.",
        )
    return key


def _context(asked: Request, made: Services, actor: audit.Actor) -> audit.Context:
    headers, trusted = asked.headers, made.settings.trusted_proxies
    return audit.Context(
        actor=actor,
        request_id=g.request_id,
        source_ip=client_address(asked.remote_addr, headers.get("X-Forwarded-For"), trusted),
        user_agent=redact(headers.get("User-Agent", ""))[:256] or None,
        trace_id=_trace_id(headers.get("Traceparent")),
    )


def _trace_id(traceparent: str | None) -> str | None:
    """The trace that a W3C `traceparent` names."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    return found[1] if found else None


def _address() -> str:
    return f"{request.method} {request.path}"[:_LONGEST_ADDRESS]


def _note_failure(
    action: str, problem: Problem, target: tuple[str, str] | None = None, **more: str
) -> None:
    """Audit a refusal or a crash; where even that cannot be written, the log has the fields, and it
    is counted with those of the next minute."""
    made = services()
    now = made.clock()
    context = _context(request_ctx.request, made, g.get("actor", audit.ANONYMOUS))
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
        made.database.write(work, _AUDIT_TIMEOUT_SECONDS)
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
    """Without a traceback: the failure that was to be audited has it."""
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
