"""The audit row for the outcome of an attempt to deliver a message."""

from datetime import datetime

from sqlalchemy import Connection

from attendance.audit import Context, append
from attendance.outbox.types import Settled


def record_outcome(
    connection: Connection, now: datetime, context: Context, settled: Settled
) -> None:
    """Append a row for the end of an attempt, under the request that the message came from."""
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
