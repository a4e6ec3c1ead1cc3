"""Many rows at once: what has piled up in years, and what waits after an outage."""

from datetime import datetime, timedelta

from bench import NINE
from sqlalchemy import Connection, bindparam, text

from attendance.db import UtcTime

LONG_AGO = NINE - timedelta(days=30)
_COLUMNS = (
    "chat_id, lane, status, text, line, subject_type, subject_id, created_at, due_at, give_up_from,"
    " attempts, uncertain_attempts, sent_at, settled_at"
)


def settled(connection: Connection, count: int, chats: int = 50) -> None:
    """So many messages that were sent long ago, each at its first attempt."""
    if not count:
        return
    waiting(connection, chats, 0)
    chat, then = f"CAST(i % {chats} AS text)", ":then"
    _insert(
        connection,
        f"outbox ({_COLUMNS})",
        f"{chat}, {chat}, 'sent', 'hello', 'hello', 'attendance', CAST(i AS text), {then}, {then}, "
        f"{then}, 1, 0, {then}, {then}",
        range(count),
        LONG_AGO,
    )
    connection.exec_driver_sql(
        "INSERT INTO outbox_attempt (outbox_id, number, token, claimed_by, started_at, ended_at, "
        "outcome) SELECT id, 1, 'token', 'here', sent_at, sent_at, 'delivered' FROM outbox "
        "WHERE status = 'sent'"
    )


def waiting(connection: Connection, chats: int, each: int, first: int = 0) -> None:
    """So many chats, numbered from `first`, each with so many messages that are due."""
    numbers = range(first, first + chats)
    known = "NOT EXISTS (SELECT 1 FROM chat WHERE chat_id = CAST(i AS text))"
    made = "chat (chat_id, created_at)"
    _insert(connection, made, "CAST(i AS text), :then", numbers, NINE, where=known)
    for _ in range(each):
        _insert(
            connection,
            f"outbox ({_COLUMNS})",
            "CAST(i AS text), CAST(i AS text), 'pending', 'hello', 'hello', 'attendance', "
            "CAST(i AS text), :then, :then, :then, 0, 0, NULL, NULL",
            numbers,
            NINE,
        )


def _insert(
    connection: Connection,
    into: str,
    values: str,
    numbers: range,
    then: datetime,
    where: str = "true",
) -> None:
    """A row for each number `i`, by one statement."""
    if not numbers:
        return
    statement = text(
        f"INSERT INTO {into} WITH RECURSIVE n(i) AS "  # noqa: S608 - constants
        f"(SELECT {numbers.start} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {numbers.stop}) "
        f"SELECT {values} FROM n WHERE {where}"
    )
    connection.execute(statement.bindparams(bindparam("then", type_=UtcTime)), {"then": then})
