"""What a claim is, and by which rules the operator wants deliveries made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal

from attendance.outbox.rate_limits import UNLIMITED, RateLimits
from attendance.outbox.transport import Outgoing

Merge = Callable[[Sequence[str]], tuple[int, str]]
"""How many of these lines, from the first on, fit into one message, and that message's text."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a claim lives, when a message is given up, what follows an attempt that may have
    been delivered (`retry` sends it again, `hold` leaves it to a person), how fast requests may
    start, how waiting messages are merged (None: never), and in which zone quiet hours are."""

    lease: timedelta
    give_up_after: timedelta
    uncertain: Literal["retry", "hold"] = "retry"
    rate_limits: RateLimits = UNLIMITED
    merge: Merge | None = None
    timezone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class Claimed:
    """One message of a claim; `attempt` counts from 1, `chat_id` is what it was addressed to."""

    id: int
    chat_id: str
    attempt: int
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Debit:
    """When the request of a claim is to begin, and the row that says so; `id` is None if no rate
    limit asks for one."""

    id: int | None
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to deliver one message, or several merged into one, until the lease ends or the
    token is replaced."""

    messages: tuple[Claimed, ...]
    outgoing: Outgoing
    token: str
    lane: str
    claimed_by: str
    claimed_at: datetime
    debit: Debit
    was_refused: bool = False
    """Whether the chat has refused us since it last took a message."""

    @property
    def id(self) -> int:
        return self.outgoing.id

    @property
    def attempt(self) -> int:
        """The first message's: it decides how long to wait after a failure."""
        return self.messages[0].attempt

    @property
    def is_digest(self) -> bool:
        return len(self.messages) > 1


@dataclass(frozen=True, slots=True)
class Settled:
    """The end of an attempt for one message, as it is told to whoever listens.

    `outcome` is the attempt's (`delivered`, `retry`, `late` …), `status` what the message has
    become; they are told in the transaction that writes them.
    """

    message_id: int
    chat_id: str
    request_id: str | None
    attempt: int
    outcome: str
    status: str
    error: str | None = None
    receipt: int | None = None
