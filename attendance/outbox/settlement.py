"""Settle the end of an attempt: what becomes of the message, its chat, and all messages.

Only the holder of the claim's token changes a message. Whoever comes late learns so from the
return value and leaves attempts marked `late`, for its messages may have been delivered.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy import Boolean, Connection, bindparam, case, func, insert, or_, select, update

from attendance.db import Prepared, UtcTime
from attendance.outbox import backoff, chat_migration, circuit_breaker, lanes, parking, retry_after
from attendance.outbox.models import Attempt, Message
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
from attendance.outbox.types import Claim, Claimed, Policy, Settled

OnOutcome = Callable[[Connection, datetime, Settled], None]

LEASE_OVER = "The claim ran out before its outcome was noted: the message may have been delivered."
GIVEN_UP = "Given up: not delivered within OUTBOX_GIVE_UP_AFTER."

_FAILURES_TO_STOP = 3
_ATTEMPTS_TO_LOOK_AT = 1000
_insert_attempt = Prepared(
    insert(Attempt.__table__),  # type: ignore[arg-type]  # a Table, declared as FromClause
    *("outbox_id", "number", "token", "claimed_by", "started_at", "ended_at", "outcome", "error"),
)
_change_one = Prepared(
    update(Message)
    .where(Message.id == bindparam("message"), Message.token == bindparam("mine"))
    .values(
        token=None,
        claimed_by=None,
        claimed_at=None,
        status=bindparam("becomes"),
        last_error=bindparam("error"),
        due_at=func.coalesce(bindparam("due", type_=UtcTime), Message.due_at),
        settled_at=bindparam("settled"),
        sent_at=bindparam("sent"),
        receipt=bindparam("receipt"),
        attempts=Message.attempts - bindparam("uncounted"),
        uncertain_attempts=Message.uncertain_attempts + bindparam("uncertain"),
        digest_id=case((bindparam("tied", type_=Boolean), Message.digest_id)),
        alone=or_(Message.alone, bindparam("apart", type_=Boolean)),
    )
)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a message becomes. `wait` is for `pending`; `counted` False takes the attempt off the
    count again; `uncertain` adds one that may have been delivered; `together` keeps merged messages
    merged for the next attempt; `alone` never merges them again."""

    status: str
    wait: timedelta = timedelta()
    counted: bool = True
    uncertain: bool = False
    together: bool = False
    alone: bool = False
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
) -> list[Settled]:
    """Write the end of the attempt, if the claim is still ours; return an entry for each message.
    `jitter` is in [0, 1)."""
    lanes.hold_lane(connection, claim.lane)
    if isinstance(outcome, Migrated) and lanes.lives_in(connection, outcome.chat_id) == claim.lane:
        # It is said to have moved to where it is: that has to end in a wait, not in a circle.
        outcome = Retry(outcome.error)
    verdict = _verdict(outcome, claim, policy, jitter)
    error, name = getattr(outcome, "error", None), type(outcome).__name__.lower()
    ours = _change(connection, now, claim, verdict, error)
    mine = [message for message in claim.messages if message.id in ours]
    lost = [message for message in claim.messages if message.id not in ours]
    if lost and not mine and _is_written(connection, claim, name, error):
        return []  # by ourselves: the answer to that commit was lost
    late = f"Too late, another had taken the message over: {_describe(outcome)}"
    settled = [
        *_record(connection, now, claim, mine, name, verdict.status, error, verdict.receipt),
        *_record(connection, now, claim, lost, "late", "taken over", late, None),
    ]
    if mine or isinstance(outcome, Postponed):  # a wait holds, whoever has the message now
        _affect_chat_and_bot(connection, now, claim, outcome)
    for one in settled:
        on_outcome(connection, now, one)
    return settled


def abandon(
    connection: Connection, now: datetime, claim: Claim, policy: Policy, on_outcome: OnOutcome
) -> bool:
    """Note that a claim ran out, as an attempt that may have been delivered; tell whether the
    messages may be claimed again, or are held for a person."""
    again = policy.uncertain == "retry"
    verdict = _Verdict("pending" if again else "uncertain", uncertain=True, together=True)
    _change(connection, now, claim, verdict, LEASE_OVER)
    status = verdict.status
    messages = claim.messages
    for one in _record(connection, now, claim, messages, "uncertain", status, LEASE_OVER, None):
        on_outcome(connection, now, one)
    return again


def give_up(connection: Connection, now: datetime, head: lanes.Head, on_outcome: OnOutcome) -> None:
    """Stop trying: `uncertain` if the last attempt may have been delivered, else `failed`."""
    status = "uncertain" if _last_was_uncertain(connection, head["id"]) else "failed"
    error = f"{GIVEN_UP} {head['last_error'] or ''}".strip()
    given_up = update(Message).where(Message.id == head["id"], Message.status == "pending")
    if not connection.execute(
        given_up.values(status=status, settled_at=now, last_error=error)
    ).rowcount:
        return  # a person was faster
    message = Claimed(head["id"], head["chat_id"], head["attempts"], head["request_id"])
    on_outcome(connection, now, _settled(message, "given_up", status, error, None))


def _last_was_uncertain(connection: Connection, message_id: int) -> bool:
    counted = Attempt.outcome.in_(("retry", "uncertain"))
    last = select(Attempt.outcome).where(Attempt.outbox_id == message_id, counted)
    return connection.scalar(last.order_by(Attempt.id.desc()).limit(1)) == "uncertain"


def _verdict(outcome: Outcome, claim: Claim, policy: Policy, jitter: float) -> _Verdict:
    """Decide what becomes of the messages: here, and nowhere else."""
    wait, repeats = backoff.delay(claim.attempt, jitter), claim.outgoing.repeats
    match outcome:
        case Delivered(receipt):
            return _Verdict("sent", receipt=receipt)
        case Rejected() | Parked():
            return _refused(outcome, claim)
        case Postponed() | Migrated() | Misconfigured():
            return _Verdict("pending", counted=False, together=repeats)
        case Retry():
            return _Verdict("pending", wait, together=repeats)
        case Uncertain():
            status = "uncertain" if policy.uncertain == "hold" else "pending"
            return _Verdict(status, wait, uncertain=True, together=True)


def _refused(outcome: Rejected | Parked, claim: Claim) -> _Verdict:
    """Decide what becomes of refused messages. A digest falls apart, so that a bad line takes down
    only itself, even if a person tries it again; if the chat refuses, its parts wait for it."""
    alone = isinstance(outcome, Rejected)
    if not claim.is_digest:
        return _Verdict("failed", alone=alone)
    if alone:
        return _Verdict("pending", counted=False, alone=True)
    return _Verdict("pending", counted=False, together=claim.outgoing.repeats)


def _affect_chat_and_bot(
    connection: Connection, now: datetime, claim: Claim, outcome: Outcome
) -> None:
    """Apply the outcome beyond this message: have the chat wait (429), park it, move it to its new
    id, or stop the bot. After a delivery, forget that the chat refused."""
    match outcome:
        case Delivered() if claim.was_refused:
            parking.forget_refusals(connection, claim.lane)
        case Postponed(seconds, error):
            until = now + timedelta(seconds=seconds)
            retry_after.obey(connection, now, claim.lane, until, error)
        case Parked(error):
            # A probe asks after the chat: it would succeed where only a topic of it is closed.
            in_topic = claim.outgoing.thread_id is not None
            parking.park(connection, now, claim.lane, error, probed=not in_topic)
        case Migrated(chat_id, _):
            chat_migration.migrate(connection, now, claim.lane, chat_id)
        case Misconfigured(error):
            circuit_breaker.open(connection, now, "misconfigured", error)
        case Retry(error) | Uncertain(error):
            _stop_if_nothing_gets_through(connection, now, error)
        case _:
            pass


def _stop_if_nothing_gets_through(connection: Connection, now: datetime, error: str) -> None:
    """Stop all claims if the last requests have all failed on the way, whoever made them. From then
    on probes are sent instead of messages until one gets through."""
    last = select(Attempt.token, Attempt.outcome).order_by(Attempt.id.desc())
    rows = connection.execute(last.limit(_ATTEMPTS_TO_LOOK_AT)).all()
    failed = takewhile(lambda row: row.outcome in {"retry", "uncertain"}, rows)
    # A digest is an attempt of each of its messages, and one request.
    if len({row.token for row in failed}) >= _FAILURES_TO_STOP:
        circuit_breaker.open(connection, now, "unreachable", error)


def _change(
    connection: Connection, now: datetime, claim: Claim, verdict: _Verdict, error: str | None
) -> set[int]:
    """Write the verdict to the messages whose token is still ours; return their ids."""
    waits, sent = verdict.status == "pending", verdict.status == "sent"
    values = {
        "mine": claim.token,
        "becomes": verdict.status,
        "error": error,
        "due": now + verdict.wait if waits else None,
        "settled": None if waits else now,
        "sent": now if sent else None,
        "receipt": verdict.receipt,
        "uncounted": 0 if verdict.counted else 1,
        "uncertain": int(verdict.uncertain),
        "tied": verdict.together or sent,
        "apart": verdict.alone,
    }
    return {
        message.id
        for message in claim.messages
        if _change_one(connection, {"message": message.id, **values}).rowcount
    }


def _record(
    connection: Connection,
    now: datetime,
    claim: Claim,
    messages: Sequence[Claimed],
    outcome: str,
    status: str,
    error: str | None,
    receipt: int | None,
) -> list[Settled]:
    """Write an attempt for each of these messages; return what is told of them."""
    if not messages:
        return []
    for message in messages:
        attempt = {
            "outbox_id": message.id,
            "number": message.attempt,
            "token": claim.token,
            "claimed_by": claim.claimed_by,
            "started_at": claim.debit.starts_at,
            "ended_at": now,
            "outcome": outcome,
            "error": error,
        }
        _insert_attempt(connection, attempt)
    return [_settled(message, outcome, status, error, receipt) for message in messages]


def _is_written(connection: Connection, claim: Claim, outcome: str, error: str | None) -> bool:
    """Tell whether we noted this end of the claim already; whoever found it over notes another."""
    noted = select(Attempt.id).where(
        Attempt.outbox_id.in_([message.id for message in claim.messages]),
        Attempt.token == claim.token,
        Attempt.outcome == outcome,
        Attempt.error.is_not_distinct_from(error),
    )
    return connection.scalar(noted.limit(1)) is not None


def _describe(outcome: Outcome) -> str:
    if isinstance(outcome, Delivered):
        return f"delivered as {outcome.receipt}."
    return outcome.error


def _settled(
    message: Claimed, outcome: str, status: str, error: str | None, receipt: int | None
) -> Settled:
    return Settled(
        message_id=message.id,
        chat_id=message.chat_id,
        request_id=message.request_id,
        attempt=message.attempt,
        outcome=outcome,
        status=status,
        error=error,
        receipt=receipt,
    )
