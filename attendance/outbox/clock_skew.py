"""Keep a clock that is set back from silencing the outbox until it has caught up.

What was planned by the clock as it was then lies too far ahead: further than anything is ever
planned. `bring_back` moves it to where it would be planned now. What Telegram told us to wait is
not shortened, unless it is longer than any wait that Telegram names.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, update

from attendance.db import Database
from attendance.outbox import backoff, circuit_breaker, parking
from attendance.outbox.models import IS_UNSETTLED, Chat, Message, Start, Stoppage
from attendance.outbox.rate_limits import LONGEST_LEAD
from attendance.outbox.transport import LONGEST_RETRY_AFTER
from attendance.outbox.types import Policy

_SLACK = timedelta(seconds=1)
logger = logging.getLogger(__name__)


class ClockSkewGuard:
    """Notices that the clock went back. At the start it may have: nobody looked until then."""

    def __init__(self, database: Database, policy: Policy, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._policy = policy
        self._clock = clock
        self._last: datetime | None = None

    def check(self) -> None:
        now, last = self._clock(), self._last
        if last is None or now < last - _SLACK:
            self._bring_back(now)
        self._last = now

    def _bring_back(self, now: datetime) -> None:
        if self._database.write(lambda c: bring_back(c, now, self._policy)):
            logger.warning("The clock was set back: what was planned by it is planned anew")


def bring_back(connection: Connection, now: datetime, policy: Policy) -> bool:
    """Plan anew what lies further ahead than anything is planned at `now`; tell whether there was
    any.

    A claim keeps a whole lease: its request may be under way.
    """
    planned = now + LONGEST_LEAD + _SLACK
    waiting, ahead = Message.status == "pending", now + backoff.LONGEST + _SLACK
    # Claimed in the future: a lease alone may be longer than ours is set to.
    under_way = and_(Message.status == "sending", Message.claimed_at > now + _SLACK)
    spent = planned + policy.rate_limits.longest_window
    longest_wait = now + timedelta(seconds=LONGEST_RETRY_AFTER)
    changes = (
        update(Message).where(IS_UNSETTLED, waiting, Message.due_at > ahead).values(due_at=now),
        update(Message).where(IS_UNSETTLED, under_way).values(due_at=now + policy.lease),
        update(Chat).where(Chat.next_at > spent).values(next_at=None),
        update(Chat).where(Chat.hold_until > longest_wait).values(hold_until=longest_wait),
        update(Chat).where(Chat.probe_at > now + parking.LONGEST_PROBE).values(probe_at=now),
        update(Start).where(Start.starts_at > planned).values(starts_at=now),
        update(Stoppage)
        .where(Stoppage.ended_at.is_(None), Stoppage.probe_at > now + circuit_breaker.LONGEST_PROBE)
        .values(probe_at=now),
        update(Stoppage).where(Stoppage.ended_at > longest_wait).values(ended_at=longest_wait),
    )
    return sum(connection.execute(change).rowcount for change in changes) > 0
