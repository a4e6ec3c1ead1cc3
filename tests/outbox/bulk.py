"""Many rows at once: what has piled up in years, and what waits after an outage."""

from datetime import timedelta

from bench import NINE
from sqlalchemy import Connection

from attendance.db import format_utc

LONG_AGO = NINE - timedelta(days=30)
_COUNT = "WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :end)"
_COLUMNS = (
    "chat_id, lane, status, text, line, subject_type, subject_id, created_at, due_at, give_up_from,"
    " attempts, uncertain_attempts, sent_at, settled_at"
)


def settled(connection: Connection, count: int, chats: int = 50) -> None:
    """So many messages that were sent long ago, each at its first attempt."""
    if not count:
        return
    waiting(connection, chats, 0)
    values = {"first": 0, "end": count, "chats": chats, "then": format_utc(LONG_AGO)}
    connection.exec_driver_sql(
        f"{_COUNT} INSERT INTO outbox ({_COLUMNS}) "  # noqa: S608 - constants
        "SELECT i % :chats, i % :chats, 'sent', 'hello', 'hello', 'attendance', i, :then, :then, "
        ":then, 1, 0, :then, :then FROM n",
        values,
    )
    connection.exec_driver_sql(
        "INSERT INTO outbox_attempt (outbox_id, number, token, claimed_by, started_at, ended_at, "
        "outcome) SELECT id, 1, 'token', 'here', sent_at, sent_at, 'delivered' FROM outbox "
        "WHERE status = 'sent'"
    )


def waiting(connection: Connection, chats: int, each: int, first: int = 0) -> None:
    """So many chats, numbered from `first`, each with so many messages that are due."""
    values = {"first": first, "end": first + chats, "now": format_utc(NINE)}
    chat = "INSERT OR IGNORE INTO chat (chat_id, created_at) SELECT i, :now FROM n"
    connection.exec_driver_sql(f"{_COUNT} {chat}", values)
    for _ in range(each):
        connection.exec_driver_sql(
            f"{_COUNT} INSERT INTO outbox ({_COLUMNS}) "  # noqa: S608 - constants
            "SELECT i, i, 'pending', 'hello', 'hello', 'attendance', i, :now, :now, :now, 0, 0, "
            "NULL, NULL FROM n",
            values,
        )
