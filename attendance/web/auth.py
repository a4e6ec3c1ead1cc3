"""Check the API key of a request, its role and its limit: a decorator for routes that read, and one
for routes that write.

`audited_write` supplies the context in which the use case writes its own audit row. Whatever the
use case cannot write, because it refused or crashed, the decorators leave to `failure_audit`; the
handler knows nothing of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps

from flask import Request, Response, g
from flask.globals import request_ctx

from attendance import api_keys, audit
from attendance.models import Role
from attendance.web.audit_context import audit_context
from attendance.web.failure_audit import audit_failed_read, audit_failed_write
from attendance.web.key_limit import too_many
from attendance.web.problems import Problem, problem_of
from attendance.web.services import Services, services


@dataclass(frozen=True, slots=True)
class AuthenticatedRequest:
    """The request of a caller whose key is live and has a role that the route takes."""

    key: api_keys.Key
    context: audit.Context
    now: datetime


Handler = Callable[..., Response]


def reader(*roles: Role) -> Callable[[Handler], Handler]:
    """Make a route that changes nothing. It answers callers with one of `roles`, or everybody where
    none are named."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def wrapped(**arguments: object) -> Response:
            try:
                if roles:
                    made = services()
                    made.uses.note(g.started_at, _authorized(request_ctx.request, made, roles))
                return handler(**arguments)
            except Exception as error:
                audit_failed_read(problem_of(error))
                raise

        return wrapped

    return decorate


def audited_write(action: str, *roles: Role) -> Callable[[Handler], Handler]:
    """Make a route that changes something, for callers with one of `roles`. Its handler gets the
    `AuthenticatedRequest` first. Refusals and crashes are audited as `action`."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def wrapped(**arguments: object) -> Response:
            try:
                asked, made = request_ctx.request, services()
                key = _authorized(asked, made, roles)
                context = audit_context(asked, made, key.actor)
                return handler(AuthenticatedRequest(key, context, g.started_at), **arguments)
            except Exception as error:
                audit_failed_write(action, problem_of(error), arguments)
                raise

        return wrapped

    return decorate


def _authorized(asked: Request, made: Services, roles: tuple[Role, ...]) -> api_keys.Key:
    """Return the key that was sent with the request; the handler finds it as `g.key`, too.

    Raises:
        Problem: 401 without a live key, 429 where it asks too often, 403 where its role is not one
            of `roles`.
    """
    # It is given the request itself: each look through Flask's `request` costs as much as a small
    # function.
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
    g.actor, g.key = key.actor, key
    # Whoever has no live key has none of its requests to spend.
    g.allowance = allowance = made.key_limit.spend(key.id, g.started_at)
    if allowance is not None and allowance.left < 0:
        raise too_many(allowance)
    if key.role not in roles:
        raise Problem(
            403,
            "forbidden",
            f"This key has the role {key.role}; this address is for {' or '.join(roles)}.",
        )
    return key
