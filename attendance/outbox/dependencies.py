"""What a dispatcher works with: everything that it does not do itself is handed in here."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from attendance.db import Database
from attendance.outbox.sender_pool import Job
from attendance.outbox.settlement import OnOutcome
from attendance.outbox.transport import Transport
from attendance.outbox.types import Policy

Task = Callable[[], object]
"""Something to run between polls. It keeps its own pace, and waits for nothing but the database."""

Probe = Callable[[], Job | None]
"""Returns what asks a question that may take long, if it is due. One is under way at a time."""


OnCrash = Callable[[str, Exception], object]
"""Told of what failed (`round`, `task`, `probe`, `delivery`), and why. Must not raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """`clock` gives UTC, `random` numbers in [0, 1), `new_token` a fresh random text of 32
    characters. `senders` is how many requests may be under way at the same time. `wake` is set by
    whoever has written a message. Once `is_alive` says no, the process ends and nothing more is
    begun."""

    name: str
    database: Database
    transport: Transport
    policy: Policy
    total_seconds: float
    poll_seconds: float
    senders: int
    wake: threading.Event
    clock: Callable[[], datetime]
    random: Callable[[], float]
    new_token: Callable[[], str]
    on_outcome: OnOutcome
    tasks: Sequence[Task] = ()
    probes: Sequence[Probe] = ()
    on_stop: Callable[[], object] = lambda: None
    on_crash: OnCrash = lambda *_: None
    is_alive: Callable[[], bool] = lambda: True
