"""The end of an attempt: what becomes of the message, its chat, and all messages.

Only the holder of the claim's token changes the message. Whoever comes late learns so from the
return value and leaves an attempt marked `late`, for its message may have been delivered.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from attendance.outbox import backoff, stoppage
from attendance.outbox.claim import Claim, Policy, Settled
from attendance.outbox.message import Attempt, Chat, Message
from attendance.outbox.transport import (
    Delivered,
    Migrated,
    Misconfigured,
    Outcome,
    Parked,
    Postponed,
    Rejected,
    Retry,
    Uncertain,
)

OnOutcome = Callable[[Connection, datetime, Settled], None]

LEASE_OVER = "The claim ran out before its outcome was noted: the message may have been delivered."
GIVEN_UP = "Given up: not delivered within OUTBOX_GIVE_UP_AFTER."

_CLAIM_OVER = {"token": None, "claimed_by": None, "claimed_at": None}


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a message becomes. `wait` counts for `pending`; `counted` False takes the attempt off
    the count again; `uncertain` adds one that may have been delivered."""

    status: str
    wait: timedelta = timedelta()
    counted: bool = True
    uncertain: bool = False
    receipt: int | None = None


def settle(
    connection: Connection,
    now: datetime,
    claim: Claim,
    outcome: Outcome,
    *,
    policy: Policy,
    jitter: float,
    on_outcome: OnOutcome,
) -> Settled:
    """Write the end of the attempt, if the claim is still ours. `jitter` is in [0, 1)."""
    verdict = _verdict(outcome, claim.attempt, policy, jitter)
    error = getattr(outcome, "error", None)
    if _change(connection, now, claim, verdict, error):
        name, status = type(outcome).__name__.lower(), verdict.status
        _affect_chat_and_bot(connection, now, claim, outcome)
    else:
        name, status = "late", "taken over"
        error = f"Too late, another had taken the message over: {_describe(outcome)}"
    record_attempt(connection, now, claim, name, error)
    settled = _settled(claim, name, status, error, verdict.receipt)
    on_outcome(connection, now, settled)
    return settled


def abandon(
    connection: Connection, now: datetime, claim: Claim, policy: Policy, on_outcome: OnOutcome
) -> bool:
    """Note that a claim ran out, as an attempt that may have been delivered. True where the
    message may be claimed again, False where it is held for a person."""
    again = policy.uncertain == "retry"
    verdict = _Verdict("pending" if again else "uncertain", uncertain=True)
    _change(connection, now, claim, verdict, LEASE_OVER)
    record_attempt(connection, now, claim, "uncertain", LEASE_OVER)
    on_outcome(connection, now, _settled(claim, "uncertain", verdict.status, LEASE_OVER, None))
    return again


def give_up(
    connection: Connection,
    now: datetime,
    message: Mapping[str, Any],
    on_outcome: OnOutcome,
) -> None:
    """Stop trying: `uncertain` where the last attempt may have been delivered, else `failed`."""
    status = "uncertain" if _last_was_uncertain(connection, message["id"]) else "failed"
    error = f"{GIVEN_UP} {message['last_error'] or ''}".strip()
    given_up = update(Message).where(Message.id == message["id"], Message.status == "pending")
    connection.execute(given_up.values(status=status, settled_at=now, last_error=error))
    on_outcome(
        connection,
        now,
        Settled(
            message_id=message["id"],
            chat_id=message["chat_id"],
            request_id=message["request_id"],
            attempt=message["attempts"],
            outcome="given_up",
            status=status,
            error=error,
        ),
    )


def _last_was_uncertain(connection: Connection, message_id: int) -> bool:
    counted = Attempt.outcome.in_(("retry", "uncertain"))
    last = select(Attempt.outcome).where(Attempt.outbox_id == message_id, counted)
    return connection.scalar(last.order_by(Attempt.id.desc()).limit(1)) == "uncertain"


def _verdict(outcome: Outcome, attempt: int, policy: Policy, jitter: float) -> _Verdict:
    """What becomes of the message: the one place where this is decided."""
    match outcome:
        case Delivered(receipt):
            return _Verdict("sent", receipt=receipt)
        case Rejected() | Parked():
            return _Verdict("failed")
        case Postponed() | Migrated() | Misconfigured():
            return _Verdict("pending", counted=False)
        case Retry():
            return _Verdict("pending", wait=backoff.delay(attempt, jitter))
        case Uncertain() if policy.uncertain == "hold":
            return _Verdict("uncertain", uncertain=True)
        case Uncertain():
            return _Verdict("pending", wait=backoff.delay(attempt, jitter), uncertain=True)


def _affect_chat_and_bot(
    connection: Connection, now: datetime, claim: Claim, outcome: Outcome
) -> None:
    """What becomes of those behind the message in its lane, and of all messages."""
    lane = update(Chat).where(Chat.chat_id == claim.chat_id)
    match outcome:
        case Postponed(seconds, error):
            until = now + timedelta(seconds=seconds)
            connection.execute(lane.values(hold_until=until, hold_reason=error))
        case Parked(error):
            connection.execute(lane.values(parked_at=now, park_reason=error))
        case Migrated(chat_id, _):
            connection.execute(lane.values(migrated_to=chat_id))
        case Misconfigured(error):
            stoppage.begin(connection, now, "misconfigured", error)
        case _:
            pass


def _change(
    connection: Connection, now: datetime, claim: Claim, verdict: _Verdict, error: str | None
) -> bool:
    """Write the verdict; False where the token is no longer ours and nothing was changed."""
    values: dict[str, Any] = {**_CLAIM_OVER, "status": verdict.status, "last_error": error}
    if verdict.status == "pending":
        values["due_at"] = now + verdict.wait
    else:
        values["settled_at"] = now
    if verdict.status == "sent":
        values |= {"sent_at": now, "telegram_message_id": verdict.receipt}
    if not verdict.counted:
        values["attempts"] = Message.attempts - 1
    if verdict.uncertain:
        values["uncertain_attempts"] = Message.uncertain_attempts + 1
    mine = update(Message).where(Message.id == claim.id, Message.token == claim.token)
    return connection.execute(mine.values(**values)).rowcount == 1


def record_attempt(
    connection: Connection, now: datetime, claim: Claim, outcome: str, error: str | None
) -> None:
    connection.execute(
        insert(Attempt).values(
            outbox_id=claim.id,
            number=claim.attempt,
            token=claim.token,
            claimed_by=claim.claimed_by,
            started_at=claim.claimed_at,
            ended_at=now,
            outcome=outcome,
            error=error,
        )
    )


def _describe(outcome: Outcome) -> str:
    if isinstance(outcome, Delivered):
        return f"delivered as {outcome.receipt}."
    return outcome.error


def _settled(
    claim: Claim, outcome: str, status: str, error: str | None, receipt: int | None
) -> Settled:
    return Settled(
        message_id=claim.id,
        chat_id=claim.chat_id,
        request_id=claim.request_id,
        attempt=claim.attempt,
        outcome=outcome,
        status=status,
        error=error,
        receipt=receipt,
    )
