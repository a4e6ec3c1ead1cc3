"""`/outbox`: what waits, what failed, and an admin's hand on it."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response
from sqlalchemy import Connection

from attendance import api_keys
from attendance.notifications import operations, texts
from attendance.outbox import admin, queries
from attendance.web.auth import AuthenticatedRequest, audited_write, reader
from attendance.web.body import optional_json_body, query
from attendance.web.pagination import page, position, respond
from attendance.web.problems import Problem
from attendance.web.schemas import ChangeIn, OutboxQuery, RetryIn
from attendance.web.services import services

blueprint = Blueprint("outbox", __name__)

_NOT_RETRIED = {
    "pending": " already: it goes out by itself.",
    "sending": ": it is on its way already.",
    "sent": ": only what is failed, uncertain or cancelled can be retried.",
}
_NOT_CANCELLED = {
    "sending": ", on its way to Telegram: try again once that has ended.",
    "sent": " already: it cannot be called back.",
    "cancelled": " already.",
}


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
    return _shown(message_id)


@blueprint.post("/outbox/<id:message_id>/retry")
@audited_write("outbox.retried", "admin")
def retry_one(call: AuthenticatedRequest, message_id: int) -> Response:
    """Put one message back to `pending`."""
    changes = _retry(call, admin.Filter(ids=[message_id]), optional_json_body(ChangeIn).reason)
    parked = _parked_chats(changes)
    waits = {"pending": " ".join([" already.", *parked])} if parked else {}
    _refuse_unchanged(changes, message_id, {**_NOT_RETRIED, **waits})
    return respond({**_message(message_id), "message": _went_back(changes, parked)})


@blueprint.post("/outbox/retry")
@audited_write("outbox.retried", "admin")
def retry_matching(call: AuthenticatedRequest) -> Response:
    """Put every failed and uncertain message that matches back to `pending`."""
    asked = optional_json_body(RetryIn)
    chosen = admin.Filter(asked.ids, asked.error, asked.chat_id, asked.since)
    changes = _retry(call, chosen, asked.reason, note_refused=True)
    return respond(
        {
            "status": "SUCCESS",
            "message": _went_back(changes, _parked_chats(changes)),
            "retried": list(changes.before),
            "refused": [{"id": key, "status": was} for key, was in changes.refused.items()],
        }
    )


@blueprint.post("/outbox/<id:message_id>/cancel")
@audited_write("outbox.cancelled", "admin")
def cancel(call: AuthenticatedRequest, message_id: int) -> Response:
    reason = optional_json_body(ChangeIn).reason

    def work(connection: Connection) -> admin.Changes:
        api_keys.note_use(connection, call.now, call.key)
        changes = admin.cancel(connection, call.now, [message_id])
        operations.record_changes(
            connection, call.now, call.context, "outbox.cancelled", changes, "cancelled", reason
        )
        return changes

    changes = services().database.write(work)
    _refuse_unchanged(changes, message_id, _NOT_CANCELLED)
    return _shown(message_id)


def _shown(message_id: int) -> Response:
    return respond(_message(message_id))


def _message(message_id: int) -> dict[str, Any]:
    with services().database.snapshot() as connection:
        found = queries.message(connection, message_id)
    if found is None:
        raise _unknown(message_id)
    return found


def _parked_chats(changes: admin.Changes) -> list[str]:
    """A sentence for each chat that has to be resumed before what waits now goes out."""
    with services().database.snapshot() as connection:
        return texts.parked(queries.parked_chats_of(connection, changes.waiting))


def _went_back(changes: admin.Changes, parked: list[str]) -> str:
    return " ".join([f"{len(changes.before)} went back to pending.", *parked])


def _retry(
    call: AuthenticatedRequest,
    chosen: admin.Filter,
    reason: str | None,
    *,
    note_refused: bool = False,
) -> admin.Changes:
    """With `note_refused` what is left alone is audited, too, and need not be refused."""

    def work(connection: Connection) -> admin.Changes:
        api_keys.note_use(connection, call.now, call.key)
        changes = admin.retry(connection, call.now, chosen)
        operations.record_changes(
            connection, call.now, call.context, "outbox.retried", changes, "pending", reason
        )
        if note_refused:
            operations.record_refused(connection, call.now, call.context, "outbox.retried", changes)
        return changes

    changes = services().database.write(work)
    services().wake.set()
    return changes


def _refuse_unchanged(changes: admin.Changes, message_id: int, why: Mapping[str, str]) -> None:
    refused: Mapping[int, str | None] = changes.refused
    if message_id not in refused:
        return
    status = refused[message_id]
    if status is None:
        raise _unknown(message_id)
    said = why.get(status, " now: try again.")  # it came to be between two looks
    raise Problem(409, "wrong_status", f"Message {message_id} is {status}{said}")


def _unknown(message_id: int) -> Problem:
    return Problem(404, "not_found", f"There is no message {message_id}.")
