"""Give the same request the same answer again. The answer is kept in the transaction that it tells
of."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select

from attendance.audit.throttle import Repeat
from attendance.db import Prepared
from attendance.models import IdempotencyKey


class KeyReused(Exception):
    """An idempotency key came again with another request."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a client calls its request: its key, and a fingerprint of what it asks."""

    key_lineage: int
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it goes out: the status, the JSON text, and a Location if there is one. `repeat`
    is to be counted once the answer is on disk."""

    status: int
    body: str
    location: str | None = None
    replayed: bool = False
    repeat: Repeat | None = None


_table = IdempotencyKey.__table__
_insert = Prepared(insert(_table), *_table.c.keys())  # type: ignore[arg-type]  # a Table
_find = Prepared(
    select(
        IdempotencyKey.fingerprint,
        IdempotencyKey.status,
        IdempotencyKey.body,
        IdempotencyKey.location,
    ).where(
        IdempotencyKey.key_lineage == bindparam("key_lineage"),
        IdempotencyKey.key == bindparam("key"),
    )
)


def once(
    connection: Connection, now: datetime, ticket: Ticket | None, work: Callable[[], Answer]
) -> Answer:
    """Return the answer given to `ticket` before, or else that of `work()`, which is kept for the
    next time if it is a 2xx.

    Raises:
        KeyReused: the key was used for another request.
    """
    if ticket is None:
        return work()
    name = {"key_lineage": ticket.key_lineage, "key": ticket.key}
    given = _find.first(connection, name)
    if given is None:
        answer = work()
        _keep(connection, now, ticket, answer)
        return answer
    if given.fingerprint != ticket.fingerprint:
        raise KeyReused(ticket.key)
    return Answer(given.status, given.body, given.location, replayed=True)


def _keep(connection: Connection, now: datetime, ticket: Ticket, answer: Answer) -> None:
    if not 200 <= answer.status < 300:
        return
    _insert(
        connection,
        {
            "key_lineage": ticket.key_lineage,
            "key": ticket.key,
            "fingerprint": ticket.fingerprint,
            "status": answer.status,
            "body": answer.body,
            "location": answer.location,
            "created_at": now,
        },
    )
