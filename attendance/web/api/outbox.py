"""`/outbox`: what waits, what failed, and what an admin does about it."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, Response
from sqlalchemy import Connection

from attendance import api_keys
from attendance.notifications import left_alone, operations
from attendance.outbox import queries
from attendance.outbox.admin import Changes, Filter
from attendance.web.auth import AuthenticatedRequest, audited_write, reader
from attendance.web.body import optional_json_body, query
from attendance.web.pagination import page, position, respond
from attendance.web.problems import Problem
from attendance.web.schemas import ChangeIn, OutboxQuery, RetryIn
from attendance.web.services import services

blueprint = Blueprint("outbox", __name__)


@blueprint.get("/outbox")
@reader("admin", "auditor")
def list_() -> Response:
    asked = query(OutboxQuery)
    before = position("outbox", asked.cursor)
    with services().database.snapshot() as connection:
        rows = queries.messages(
            connection,
            status=asked.status,
            chat_id=asked.chat,
            before_id=before[0] if before else None,
            limit=asked.limit + 1,
        )
    return page("outbox", rows, asked.limit, ("id",))


@blueprint.get("/outbox/<id:message_id>")
@reader("admin", "auditor")
def one(message_id: int) -> Response:
    return respond(_message(message_id))


@blueprint.post("/outbox/<id:message_id>/retry")
@audited_write("outbox.retried", "admin")
def retry_one(call: AuthenticatedRequest, message_id: int) -> Response:
    """Put one message back to `pending`."""
    reason = optional_json_body(ChangeIn).reason
    changes = _retry(call, Filter(ids=[message_id]), reason, audit_refused=False)
    to_resume = _chats_to_resume(changes)
    _refuse_unchanged(changes, message_id, partial(left_alone.not_retried, to_resume=to_resume))
    return respond({**_message(message_id), "message": _went_back(changes, to_resume)})


@blueprint.post("/outbox/retry")
@audited_write("outbox.retried", "admin")
def retry_matching(call: AuthenticatedRequest) -> Response:
    """Put every failed and uncertain message that matches back to `pending`."""
    asked = optional_json_body(RetryIn)
    chosen = Filter(asked.ids, asked.error, asked.chat_id, asked.since)
    changes = _retry(call, chosen, asked.reason, audit_refused=True)
    return respond(
        {
            "status": "SUCCESS",
            "message": _went_back(changes, _chats_to_resume(changes)),
            "retried": list(changes.before),
            "refused": [{"id": key, "status": was} for key, was in changes.refused.items()],
        }
    )


@blueprint.post("/outbox/<id:message_id>/cancel")
@audited_write("outbox.cancelled", "admin")
def cancel(call: AuthenticatedRequest, message_id: int) -> Response:
    """Give one message up."""
    reason = optional_json_body(ChangeIn).reason

    def work(connection: Connection) -> Changes:
        api_keys.note_use(connection, call.now, call.key)
        return operations.cancel(
            connection, call.now, call.context, [message_id], reason, audit_refused=False
        )

    changes = services().database.write(work)
    _refuse_unchanged(changes, message_id, left_alone.not_cancelled)
    return respond(_message(message_id))


def _retry(
    call: AuthenticatedRequest, chosen: Filter, reason: str | None, *, audit_refused: bool
) -> Changes:
    def work(connection: Connection) -> Changes:
        api_keys.note_use(connection, call.now, call.key)
        return operations.retry(
            connection, call.now, call.context, chosen, reason, audit_refused=audit_refused
        )

    changes = services().database.write(work)
    services().wake.set()
    return changes


def _message(message_id: int) -> dict[str, Any]:
    with services().database.snapshot() as connection:
        found = queries.message(connection, message_id)
    if found is None:
        raise _unknown(message_id)
    return found


def _chats_to_resume(changes: Changes) -> list[str]:
    with services().database.snapshot() as connection:
        return operations.chats_to_resume(connection, changes)


def _went_back(changes: Changes, to_resume: list[str]) -> str:
    return " ".join([f"{len(changes.before)} went back to pending.", *to_resume])


def _refuse_unchanged(
    changes: Changes, message_id: int, sentence: Callable[[int, str], str]
) -> None:
    """Refuse with 404 or 409 where the message was left alone; `sentence` says why it was."""
    if message_id not in changes.refused:
        return
    status = changes.refused[message_id]
    if status is None:
        raise _unknown(message_id)
    raise Problem(409, "wrong_status", sentence(message_id, status))


def _unknown(message_id: int) -> Problem:
    return Problem(404, "not_found", f"There is no message {message_id}.")
