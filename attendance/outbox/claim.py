"""What a claim is, and by which rules the operator wants deliveries made."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from attendance.outbox.transport import Outgoing


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a claim lives, when a message is given up, and what follows an attempt that may
    have been delivered: `retry` sends it again, `hold` leaves it to a person."""

    lease: timedelta
    give_up_after: timedelta
    uncertain: Literal["retry", "hold"] = "retry"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to deliver one message until the lease ends or the token is replaced.

    `attempt` counts from 1. `outgoing.chat_id` is where the chat lives now, `chat_id` what the
    message was addressed to.
    """

    outgoing: Outgoing
    token: str
    chat_id: str
    claimed_by: str
    claimed_at: datetime
    attempt: int
    request_id: str | None

    @property
    def id(self) -> int:
        return self.outgoing.id


@dataclass(frozen=True, slots=True)
class Settled:
    """The end of an attempt, as whoever listens is told it.

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
