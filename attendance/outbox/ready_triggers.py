"""The triggers that keep `chat.ready_at`: when the head of each lane may be claimed.

So a look for what is due costs the same however many chats there are and however much waits, and
no writer can forget it: not a person with SQL, nor an older version beside this one. It is the
latest of `due_at`, `hold_until` and `next_at` of the head as `lanes` defines it, and NULL where
nothing waits. Migrations make the triggers; a change of what heads a lane is a change of theirs.
"""

from sqlalchemy import Connection, text

_TRIGGERS = ("after_insert", "after_update", "after_delete", "after_wait")
_STANDING = {
    "sqlite": text("SELECT name FROM sqlite_master WHERE type = 'trigger'"),
    "postgresql": text("SELECT tgname FROM pg_trigger WHERE tgenabled IN ('O', 'A')"),
}


def missing(connection: Connection) -> list[str]:
    """List the names of the triggers that somebody removed; empty if all are there."""
    standing = set(connection.execute(_STANDING[connection.dialect.name]).scalars())
    return [name for end in _TRIGGERS if (name := f"chat_ready_{end}") not in standing]
