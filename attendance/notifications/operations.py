"""Audit rows for what people do to messages, and may not do, one for each."""

from datetime import datetime

from sqlalchemy import Connection

from attendance.audit import Context, append
from attendance.outbox.admin import Changes
from attendance.outbox.types import Settled


def record_changes(
    connection: Connection,
    now: datetime,
    context: Context,
    action: str,
    changes: Changes,
    status: str,
    reason: str | None,
) -> None:
    """A row for each message that has changed to `status`."""
    for message_id, before in changes.before.items():
        append(
            connection,
            now,
            context,
            action,
            target=("outbox", message_id),
            reason=reason,
            before={"status": before},
            after={"status": status},
        )


def record_refused(
    connection: Connection, now: datetime, context: Context, action: str, changes: Changes
) -> None:
    """A row for each message that was named and left alone."""
    for message_id, status in changes.refused.items():
        append(
            connection,
            now,
            context,
            action,
            outcome="refused",
            target=("outbox", message_id),
            reason="There is no such message." if status is None else f"It is {status}.",
        )


def record_outcome(
    connection: Connection, now: datetime, context: Context, settled: Settled
) -> None:
    """A row for the end of an attempt, under the request that the message came from."""
    append(
        connection,
        now,
        Context(context.actor, request_id=settled.request_id),
        "outbox.attempted",
        outcome=settled.outcome,
        target=("outbox", settled.message_id),
        reason=settled.error,
        after={
            "status": settled.status,
            "attempt": settled.attempt,
            "chat_id": settled.chat_id,
            "telegram_message_id": settled.receipt,
        },
    )
