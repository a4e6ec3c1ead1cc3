"""Claim messages: never more than the head of each chat's lane, with what merges behind it, and
never faster than the pace allows.

Each function takes the caller's connection and commits nothing. A claim is a fresh random token
and a lease; only the token's holder settles (`settlement.settle`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, select, update

from attendance.db import Prepared
from attendance.outbox import circuit_breaker, lanes, rate_limiter
from attendance.outbox.lanes import Head
from attendance.outbox.models import IS_UNSETTLED, Message
from attendance.outbox.quiet_hours import is_quiet
from attendance.outbox.rate_limits import HORIZON, clear_of, next_start, plan
from attendance.outbox.settlement import LEASE_OVER, OnOutcome, abandon, give_up
from attendance.outbox.transport import Outgoing
from attendance.outbox.types import Claim, Claimed, Debit, Policy

_MOST_MERGED = 200
_MOST_GIVEN_UP = 100
_take_one = Prepared(
    update(Message)
    .where(Message.id == bindparam("message"))
    .values(
        status="sending",
        token=bindparam("new_token"),
        claimed_by=bindparam("claimer"),
        claimed_at=bindparam("now"),
        due_at=bindparam("lease_ends"),
        attempts=Message.attempts + 1,
        digest_id=bindparam("digest"),
    )
)


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms on which a dispatcher claims: its name, where tokens come from, its policy, whom it
    tells of outcomes, and by how much a request begins after its claim (the time of a commit)."""

    claimed_by: str
    new_token: Callable[[], str]
    policy: Policy
    on_outcome: OnOutcome
    lead: timedelta = timedelta()


def claim(connection: Connection, now: datetime, limit: int, terms: Terms) -> list[Claim]:
    """Claim up to `limit` requests' worth of messages that are due, each from another lane.

    The caller holds the planning lock (`rate_limiter.lock`), and `now` is the time since it does. A
    head whose lease ran out first gets its `uncertain` attempt; one that has waited too long is
    given up instead of claimed, in parked lanes too. `on_outcome` is told of both.
    """
    if circuit_breaker.current(connection, now) is not None:
        return []
    for head in lanes.due_parked_heads(connection, now, terms.policy):
        _is_still_wanted(connection, now, head, terms)
    claims: list[Claim] = []
    for head in lanes.due_heads(connection, now, limit):
        if not _is_still_wanted(connection, now, head, terms):
            continue
        start = _overall_start(connection, now, terms)
        if start > now + terms.lead + HORIZON:
            break
        claims.extend(_claim_lane(connection, now, head, start, terms))
    return claims


def release(connection: Connection, now: datetime, claim: Claim) -> bool:
    """Give back a claim whose request never began, uncounted, and its place in the pace; False if
    somebody else has taken it over."""
    rate_limiter.refund(connection, claim.debit.id)
    lanes.set_next(connection, claim.lane, None)
    mine = update(Message).where(
        Message.id.in_([message.id for message in claim.messages]), Message.token == claim.token
    )
    released = mine.values(
        status="pending",
        due_at=now,
        attempts=Message.attempts - 1,
        token=None,
        claimed_by=None,
        claimed_at=None,
        digest_id=Message.digest_id if claim.outgoing.repeats else None,
    )
    return connection.execute(released).rowcount > 0


def _overall_start(connection: Connection, now: datetime, terms: Terms) -> datetime:
    rate = terms.policy.rate_limits.overall
    before = rate_limiter.latest(connection, rate)
    return clear_of(before, rate, next_start(before, rate, now + terms.lead))


def _is_still_wanted(connection: Connection, now: datetime, head: Head, terms: Terms) -> bool:
    """Note a lease that ran out, and give up what has waited too long; tell whether the head is
    still to be claimed."""
    if head["status"] == "sending":
        expired = _expired_claim(connection, head)
        if not abandon(connection, now, expired, terms.policy, terms.on_outcome):
            return False
        head |= {
            "status": "pending",
            "last_error": LEASE_OVER,
            "uncertain_attempts": head["uncertain_attempts"] + 1,
        }
        if lanes.front(connection, head["lane"], 1)[0]["id"] < head["id"]:
            return False  # an older one came back to the lane meanwhile, and now heads it
    if _waited_too_long(connection, now, head, terms.policy):
        _give_up_from_front(connection, now, head["lane"], terms)
        return False
    return True


def _give_up_from_front(connection: Connection, now: datetime, lane: str, terms: Terms) -> None:
    """Give up all that have waited too long at the front of a lane."""
    # After a long outage those are many: one each round would hold up the rest for minutes.
    for row in lanes.front(connection, lane, _MOST_GIVEN_UP):
        if not _waited_too_long(connection, now, row, terms.policy):
            return
        give_up(connection, now, row, terms.on_outcome)


def _waited_too_long(connection: Connection, now: datetime, head: Head, policy: Policy) -> bool:
    since: datetime = head["give_up_from"]
    if now - since <= policy.give_up_after:
        return False
    stopped = circuit_breaker.time_stopped(connection, since, now)
    return now - since - stopped > policy.give_up_after


def _claim_lane(
    connection: Connection, now: datetime, head: Head, start: datetime, terms: Terms
) -> list[Claim]:
    """Claim a lane's head, with what merges behind it, to begin at `start` or a little later;
    nothing if the pace makes it wait for longer."""
    policy, lane, latest = terms.policy, head["lane"], now + terms.lead + HORIZON
    rate = policy.rate_limits.of_chat(lane)
    before = rate_limiter.latest(connection, rate, lane)
    waiting = _waiting(connection, now, head, policy)
    head, repeated = waiting[0], _is_digest(waiting[0], policy)
    fits, text = _merged(waiting, policy)
    # If all of them fit, nobody knows how many more would.
    capacity = fits if fits < len(waiting) else len(waiting) + 1
    planned = plan(1 if repeated else len(waiting), capacity, before, rate, start)
    if planned.at > latest or head["due_at"] > now:
        lanes.set_next(connection, lane, max(planned.at - HORIZON, head["due_at"]))
        return []
    taken = waiting[:fits] if planned.merge or repeated else [head]
    after, left = [planned.at, *before], len(waiting) - len(taken)
    possible = next_start(after, rate, planned.at)
    following = plan(left, capacity, after, rate, planned.at).at if left else possible
    lanes.set_next(connection, lane, None if rate is None else following - HORIZON)
    debit = Debit(
        rate_limiter.consume(connection, policy.rate_limits, lane, planned.at), planned.at
    )
    return [_take(connection, now, taken, text if len(taken) > 1 else head["text"], debit, terms)]


def _waiting(connection: Connection, now: datetime, head: Head, policy: Policy) -> list[Head]:
    """List what the next request may hold: a digest that is to be repeated, or else the head and
    what may be merged behind it."""
    if policy.merge is None:
        return [head]
    if repeated := lanes.to_repeat(connection, head["lane"]):
        return [head | row for row in repeated]
    if policy.rate_limits.of_chat(head["lane"]) is None:
        return [head]
    return [head, *lanes.waiting_behind(connection, head, now, _MOST_MERGED)]


def _is_digest(head: Head, policy: Policy) -> bool:
    return policy.merge is not None and head["digest_id"] is not None


def _merged(waiting: Sequence[Head], policy: Policy) -> tuple[int, str]:
    """Merge the messages; return how many of them one request holds, and its text."""
    if len(waiting) == 1 or policy.merge is None:
        return 1, str(waiting[0]["text"])
    fits, text = policy.merge([row["line"] for row in waiting])
    return max(1, fits), text


def _take(
    connection: Connection,
    now: datetime,
    rows: Sequence[Head],
    text: str,
    debit: Debit,
    terms: Terms,
) -> Claim:
    head, token = rows[0], terms.new_token()
    values = {
        "new_token": token,
        "claimer": terms.claimed_by,
        "now": now,
        "lease_ends": debit.starts_at + terms.policy.lease,
        "digest": head["id"] if len(rows) > 1 else None,
    }
    for row in rows:
        _take_one(connection, {"message": row["id"], **values})
    return Claim(
        messages=tuple(_claimed(row, row["attempts"] + 1) for row in rows),
        outgoing=_outgoing(rows, text, is_silent=_is_silent(head, now, terms.policy)),
        token=token,
        lane=head["lane"],
        claimed_by=terms.claimed_by,
        claimed_at=now,
        debit=debit,
        was_refused=head["refused_since"] is not None,
    )


def _outgoing(rows: Sequence[Head], text: str, *, is_silent: bool) -> Outgoing:
    return Outgoing(
        id=rows[0]["id"],
        chat_id=rows[0]["lane"],
        text=text,
        repeats=any(row["uncertain_attempts"] > 0 for row in rows),
        thread_id=rows[0]["thread_id"],
        silent=is_silent,
    )


def _is_silent(head: Head, now: datetime, policy: Policy) -> bool:
    local = now.astimezone(policy.timezone).time()
    return bool(head["silent"] or head["chat_silent"] or is_quiet(head["quiet_hours"], local))


def _expired_claim(connection: Connection, head: Head) -> Claim:
    """Rebuild the claim that ran out, with all the messages that it held."""
    held = select(Message.__table__).where(
        Message.lane == head["lane"], IS_UNSETTLED, Message.token == head["token"]
    )
    rows = [dict(row) for row in connection.execute(held.order_by(Message.id)).mappings()]
    return Claim(
        messages=tuple(_claimed(row, row["attempts"]) for row in rows),
        outgoing=Outgoing(head["id"], head["lane"], head["text"]),
        token=head["token"],
        lane=head["lane"],
        claimed_by=head["claimed_by"],
        claimed_at=head["claimed_at"],
        debit=Debit(None, head["claimed_at"]),
    )


def _claimed(row: Head, attempt: int) -> Claimed:
    return Claimed(row["id"], row["chat_id"], attempt, row["request_id"])
