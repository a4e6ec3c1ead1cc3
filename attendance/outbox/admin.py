"""What people do to messages by hand. None of it changes a message that is under way, so that it
never races a worker.

Each function takes the caller's connection, commits nothing and returns what it changed and what
it left alone; the caller audits it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select, update

from attendance.outbox import parking
from attendance.outbox.chat_migration import follow_migrations
from attendance.outbox.models import Chat, Message, Status, literal_status

_AGAIN: tuple[Status, ...] = ("failed", "uncertain")
_AGAIN_BY_ID: tuple[Status, ...] = ("failed", "uncertain", "cancelled")
_CANCELLABLE: tuple[Status, ...] = ("pending", "failed", "uncertain")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages: all conditions that are given must hold. `error` is a part of the last
    error's text, `since` counts from the creation."""

    ids: Sequence[int] = ()
    error: str | None = None
    chat_id: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """`before` maps the ids of the changed messages to the status that they had; `refused` those
    that were named and left alone to theirs, None if there is no such message."""

    before: Mapping[int, str]
    refused: Mapping[int, str | None]

    @property
    def waiting(self) -> list[int]:
        """After a retry, what has gone back to `pending` or was so already."""
        return [*self.before, *(id_ for id_, status in self.refused.items() if status == "pending")]


def retry(
    connection: Connection, now: datetime, chosen: Filter, *, dry_run: bool = False
) -> Changes:
    """Put failed and uncertain messages, and cancelled ones that are named, back to `pending`.

    Their attempts and last error stay; the time after which they are given up starts anew.
    """
    allowed = _AGAIN_BY_ID if chosen.ids else _AGAIN
    changes = _choose(connection, chosen, allowed, to_change=not dry_run)
    if not dry_run:
        again = {"status": "pending", "due_at": now, "give_up_from": now, "settled_at": None}
        _set(connection, changes, again)
        follow_migrations(connection)
    return changes


def cancel(connection: Connection, now: datetime, ids: Sequence[int]) -> Changes:
    """Give up messages that are neither under way nor sent; without `ids`, none."""
    if not ids:
        return Changes({}, {})
    changes = _choose(connection, Filter(ids=ids), _CANCELLABLE)
    _set(connection, changes, {"status": "cancelled", "settled_at": now})
    return changes


def pause(connection: Connection, now: datetime, chat_id: str, reason: str) -> bool:
    """Claim nothing for this chat until it is resumed; False if there is no such chat."""
    lane = _lane(connection, chat_id)
    if lane is not None:
        parking.pause(connection, now, lane, reason)
    return lane is not None


def resume(connection: Connection, now: datetime, chat_id: str) -> bool:
    """Deliver to this chat again, and give what waits its full time; False for an unknown chat."""
    lane = _lane(connection, chat_id)
    if lane is None:
        return False
    parking.unpark(connection, now, lane)
    parking.forget_refusals(connection, lane)
    return True


def _lane(connection: Connection, chat_id: str) -> str | None:
    """Return where a chat lives now; None if we do not know it."""
    lives = select(func.coalesce(Chat.migrated_to, Chat.chat_id)).where(Chat.chat_id == chat_id)
    return connection.scalar(lives)


def _choose(
    connection: Connection, chosen: Filter, allowed: tuple[Status, ...], *, to_change: bool = True
) -> Changes:
    query = select(Message.id, Message.status).where(*_conditions(chosen))
    # Locked: until we change it, nobody else may give it another status.
    rows = connection.execute(query.with_for_update() if to_change else query)
    before = {row.id: row.status for row in rows if row.status in allowed}
    left = [key for key in chosen.ids if key not in before]
    known = select(Message.id, Message.status).where(Message.id.in_(left))
    statuses = {row.id: row.status for row in connection.execute(known)} if left else {}
    return Changes(before, {key: statuses.get(key) for key in left})


def _conditions(chosen: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if chosen.ids:
        conditions.append(Message.id.in_(chosen.ids))
    else:
        conditions.append(Message.status.in_(literal_status(*_AGAIN)))
    if chosen.error is not None:
        conditions.append(Message.last_error.icontains(chosen.error, autoescape=True))
    if chosen.chat_id is not None:
        conditions.append(Message.chat_id == chosen.chat_id)
    if chosen.since is not None:
        conditions.append(Message.created_at >= chosen.since)
    return conditions


def _set(connection: Connection, changes: Changes, values: dict[str, object]) -> None:
    ids = list(changes.before)
    for start in range(0, len(ids), 500):
        batch = Message.id.in_(ids[start : start + 500])
        connection.execute(update(Message).where(batch).values(**values))
