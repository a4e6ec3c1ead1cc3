"""A clock that is set back must not silence the outbox until it has caught up.

What was planned by the clock as it was lies too far ahead then: further than anything is ever
planned. `bring_back` takes it to where it would have been planned now. What Telegram told us to
wait is left as it is: never earlier.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, update

from attendance.db import Database
from attendance.outbox import backoff
from attendance.outbox.claim import Policy
from attendance.outbox.message import IS_UNSETTLED, Chat, Message, Start, Stoppage
from attendance.outbox.pacing import LONGEST_LEAD

_SLACK = timedelta(seconds=1)
_LONGEST_PROBE = timedelta(hours=1)
logger = logging.getLogger(__name__)


class ClockWatch:
    """Notices that the clock went back, and at the start takes it for possible."""

    def __init__(self, database: Database, policy: Policy, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._policy = policy
        self._clock = clock
        self._last: datetime | None = None

    def look(self) -> None:
        now, last = self._clock(), self._last
        self._last = now
        if last is not None and now >= last - _SLACK:
            return
        if self._database.write(lambda c: bring_back(c, now, self._policy)):
            logger.warning("The clock was set back: what was planned by it is planned anew")


def bring_back(connection: Connection, now: datetime, policy: Policy) -> bool:
    """Plan anew what lies further ahead than anything is planned at `now`; whether there was any.

    A claim keeps a whole lease: its request may be under way.
    """
    planned = now + LONGEST_LEAD + _SLACK
    waiting, under_way = Message.status == "pending", Message.status == "sending"
    lease_over, spent = planned + policy.lease, planned + policy.pace.longest_window
    changes = (
        update(Message)
        .where(IS_UNSETTLED, waiting, Message.due_at > now + backoff.LONGEST + _SLACK)
        .values(due_at=now),
        update(Message)
        .where(IS_UNSETTLED, under_way, Message.due_at > lease_over)
        .values(due_at=now + policy.lease),
        update(Chat).where(Chat.next_at > spent).values(next_at=None),
        update(Chat).where(Chat.probe_at > now + _LONGEST_PROBE + _SLACK).values(probe_at=now),
        update(Start).where(Start.starts_at > planned).values(starts_at=now),
        update(Stoppage)
        .where(Stoppage.ended_at.is_(None), Stoppage.probe_at > now + _LONGEST_PROBE)
        .values(probe_at=now),
    )
    return sum(connection.execute(change).rowcount for change in changes) > 0
