"""Acts that a client may repeat: `Idempotency-Key`, around one `Database.write`."""

import hashlib
from collections.abc import Callable

from flask import Response
from flask.globals import request_ctx
from sqlalchemy import Connection

from attendance import api_keys
from attendance.records.idempotency import Answer, Ticket, once
from attendance.web.auth import AuthenticatedRequest
from attendance.web.fast.response import JsonResponse
from attendance.web.problems import Problem
from attendance.web.services import services


def act_once(
    call: AuthenticatedRequest, body: bytes, act: Callable[[Connection], Answer]
) -> Response:
    """Act, and return the answer, which is on disk with what was done; for a repeated request
    return the first answer. The dispatcher is woken.

    Raises:
        Problem: 400, the header has not the form of a key.
        KeyReused: it was sent with another request.
    """
    made, ticket = services(), _ticket(call, body)

    def work(connection: Connection) -> Answer:
        def first() -> Answer:
            api_keys.note_use(connection, call.now, call.key)
            return act(connection)

        return once(connection, call.now, ticket, first)

    answer = made.database.write(work)
    if answer.repeat is not None:
        made.throttle.note(call.now, answer.repeat)
    made.wake.set()
    return _response(answer)


def _ticket(call: AuthenticatedRequest, body: bytes) -> Ticket | None:
    asked = request_ctx.request
    header = asked.headers.get("Idempotency-Key")
    if header is None:
        return None
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise Problem(
            400, "invalid_idempotency_key", "Idempotency-Key takes 1 to 255 printable characters."
        )
    fingerprint = hashlib.sha256(asked.path.encode() + b"\n" + body).hexdigest()
    return Ticket(call.key.lineage, key, fingerprint)


def _response(answer: Answer) -> Response:
    response = JsonResponse(answer.body, answer.status)
    if answer.location is not None:
        response.headers["Location"] = answer.location
    if answer.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response
