"""What carries a message out, and what it may answer.

A transport never raises for what the network or the other side does: every end of an attempt is
one of the outcomes below, decided by the transport and acted upon in `settlement.settle`.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A claimed message, as a transport needs it.

    `id` is the row's id, for several merged ones the first's, and the reference that people see;
    `repeats` says that an earlier attempt may have been delivered, so that the reader can be told.
    `thread_id` is a topic of the chat. `silent` asks for no sound.
    """

    id: int
    chat_id: str
    text: str
    repeats: bool = False
    thread_id: int | None = None
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """The other side has it; `receipt` is its own number for the message."""

    receipt: int


@dataclass(frozen=True, slots=True)
class Postponed:
    """Refused for now, with a time to wait that the other side names. Counts as no attempt."""

    retry_after_seconds: float
    error: str


LONGEST_RETRY_AFTER = 86_400.0
"""In seconds: no transport names a longer wait. A slip must not silence a chat for years."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Surely not delivered; the same message may succeed later."""

    error: str


@dataclass(frozen=True, slots=True)
class Uncertain:
    """Perhaps delivered: the connection ended between the request and a readable answer."""

    error: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """This message will never be accepted."""

    error: str


@dataclass(frozen=True, slots=True)
class Parked:
    """This chat refuses us until somebody acts."""

    error: str


@dataclass(frozen=True, slots=True)
class Migrated:
    """The chat lives on under another id; the message was not delivered."""

    chat_id: str
    error: str


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """Nothing can be delivered to anybody: the credentials or the address are wrong."""

    error: str


Outcome = Delivered | Postponed | Retry | Uncertain | Rejected | Parked | Migrated | Misconfigured


class Transport(Protocol):
    """What a way of delivery implements, as `TelegramClient` does: `worker` makes one and hands it
    to the dispatcher, whose threads share it."""

    def send(self, message: Outgoing, total_seconds: float) -> Outcome:
        """Deliver `message`, or say why not, within `total_seconds`, resends included."""
