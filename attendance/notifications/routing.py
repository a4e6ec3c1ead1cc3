"""Find the chats that are told of an attendance, tell them, and keep the routes.

Each function takes the caller's connection and commits nothing; the caller audits.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from unicodedata import normalize

from sqlalchemy import (
    Connection,
    RowMapping,
    Update,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from attendance.db import Prepared
from attendance.models import Event, Route
from attendance.outbox.lanes import lives_in, open_lane
from attendance.outbox.models import Chat, Message
from attendance.outbox.queue import Draft, enqueue

Destination = tuple[str | None, int | None]
"""A chat's id, None for the default chat that is still to be configured, and a topic of it."""


GENERAL_TOPIC = 1
"""By which people see the topic that has no number for those who write to it."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must be true of an attendance; no conditions take everything.

    Sites and groups are compared without regard to case and to how words are spaced.
    """

    site: str | None = None
    group: str | None = None
    event: Event | None = None

    @property
    def folded(self) -> tuple[str | None, ...]:
        """Equal for conditions that take the same."""
        return _folded(self.site), _folded(self.group), self.event


EVERYTHING = Conditions()


@dataclass(frozen=True, slots=True)
class Notification:
    """A message that was queued for a destination."""

    id: int
    chat_id: str | None
    status: str


@dataclass(frozen=True, slots=True)
class Added:
    """`made` are the conditions that were new; `narrowed` says that the chat, or topic, was told of
    everything until now."""

    made: list[Conditions]
    narrowed: bool


_insert = insert(Route)
_CONDITIONLESS = (Route.site.is_(None), Route.group_name.is_(None), Route.event.is_(None))
_default_lane = (
    select(Chat.migrated_to).where(Chat.chat_id == bindparam("default_chat")).scalar_subquery()
)
_routes = Prepared(
    select(
        Route.chat_id,
        Route.thread_id,
        Route.site,
        Route.group_name,
        Route.event,
        Chat.migrated_to,
        _default_lane.label("default_migrated_to"),
    )
    .outerjoin(Chat, Chat.chat_id == Route.chat_id)
    .where(or_(Route.event.is_(None), Route.event == bindparam("event")))
    .order_by(Route.id)
)


def destinations(
    connection: Connection,
    default_chat: str | None,
    site: str | None,
    group: str | None,
    event: Event,
) -> list[Destination]:
    """List where an attendance is told, each place once, in the order in which routes were made.

    Chats without conditions get everything, and the default chat what no condition took. Without
    any chat there is one place that is still to be configured. A chat that was added under its old
    id is the one that it has become.
    """
    rows = _routes.all(connection, {"default_chat": default_chat, "event": event})
    said_site, said_group = _folded(site), _folded(group)
    places: dict[Destination, Destination] = {}
    by_default = True
    for row in rows:
        if _takes(row.site, said_site) and _takes(row.group_name, said_group):
            by_default = by_default and (row.site, row.group_name, row.event) == (None, None, None)
            thread = row.thread_id if row.migrated_to is None else None
            lane = row.migrated_to or row.chat_id
            places.setdefault((lane, thread), (row.chat_id, row.thread_id))
    if by_default and (default_chat is not None or not places):
        lane = rows[0].default_migrated_to if rows else None
        places.setdefault((lane or default_chat, None), (default_chat, None))
    return list(places.values())


def thread_of(topic: int | None) -> int | None:
    """The number by which a message names the topic that people see as `topic`."""
    return None if topic == GENERAL_TOPIC else topic


def told_of(
    connection: Connection, default_chat: str | None, subject_type: str, subject_id: str
) -> list[Destination]:
    """List where messages about this went, of the places that are still told of anything."""
    same_topic = Route.thread_id.is_not_distinct_from(Message.thread_id)
    routed = select(Route.id).where(Route.chat_id == Message.chat_id, same_topic).exists()
    query = select(Message.chat_id, Message.thread_id).where(
        Message.subject_type == subject_type,
        Message.subject_id == subject_id,
        or_(routed, Message.chat_id == default_chat),
    )
    return [(row.chat_id, row.thread_id) for row in connection.execute(query.order_by(Message.id))]


def once_each(connection: Connection, found: Iterable[Destination]) -> list[Destination]:
    """Drop repetitions of a place; a chat's old id is the same place as what it has become."""
    places: dict[Destination, Destination] = {}
    for chat, thread in found:
        lane = None if chat is None else lives_in(connection, chat)
        places.setdefault((lane, thread if lane == chat else None), (chat, thread))
    return list(places.values())


def tell(
    connection: Connection,
    now: datetime,
    places: Iterable[Destination],
    text: str,
    line: str,
    subject: tuple[str, str, str | None],
) -> tuple[Notification, ...]:
    """Queue a message to each of the places. `subject` is what it speaks of: a type, an id, and the
    id of the request."""
    return tuple(
        Notification(
            enqueue(connection, now, Draft(chat, text, *subject, line=line, thread_id=thread)),
            chat,
            "pending",
        )
        for chat, thread in places
    )


def add(
    connection: Connection,
    now: datetime,
    chat_id: str,
    thread_id: int | None,
    wanted: Sequence[Conditions],
) -> Added:
    """Tell a chat, or a topic of it, from now on of what fits any of the wanted conditions; those
    that it has already are left as they are. If it was told of everything, it is from then on told
    of these only."""
    open_lane(connection, now, chat_id)
    there = (Route.chat_id == chat_id, Route.thread_id.is_not_distinct_from(thread_id))
    narrowed = False
    if EVERYTHING not in wanted:
        unconditional = delete(Route).where(*there, *_CONDITIONLESS)
        narrowed = connection.execute(unconditional).rowcount > 0
    rows = connection.execute(select(Route.__table__).where(*there)).mappings()
    known = {conditions_of(_as_dict(row)).folded for row in rows}
    new = {one.folded: one for one in wanted if one.folded not in known}
    for one in new.values():
        row = {"site": one.site, "group_name": one.group, "event": one.event}
        place = {"chat_id": chat_id, "thread_id": thread_id, "created_at": now}
        connection.execute(_insert, {**place, **row})
    return Added(list(new.values()), narrowed)


def set_up(connection: Connection, chat_id: str, **settings: str | bool | None) -> None:
    """Set columns of a chat that was added: `title`, `silent`, `quiet_hours`."""
    if settings:
        connection.execute(_chat(connection, chat_id).values(**settings))


def learn(connection: Connection, chat_id: str, kind: str, title: str) -> None:
    """Keep what Telegram says of a chat that we know; a title that a person gave stays."""
    learnt = _chat(connection, chat_id)
    connection.execute(learnt.values(type=kind, title=func.coalesce(Chat.title, title)))


def remove(
    connection: Connection, chat_id: str, is_chosen: Callable[[dict[str, Any]], bool]
) -> list[dict[str, Any]]:
    """Remove those of a chat's routes that are chosen, and return them as `listed` does. What was
    added under the id that the chat had before belongs to it, too."""
    removed = [route for route in listed(connection, chat_id) if is_chosen(route)]
    ids = [route["id"] for route in removed]
    connection.execute(delete(Route).where(Route.id.in_(ids)))
    return removed


def listed(connection: Connection, chat_id: str | None = None) -> list[dict[str, Any]]:
    """List the routes, of one chat or of all, in the order in which they were made."""
    query = select(Route.__table__).order_by(Route.id)
    if chat_id is not None:
        before = select(Chat.chat_id).where(Chat.migrated_to == chat_id)
        query = query.where(or_(Route.chat_id == chat_id, Route.chat_id.in_(before)))
    return [_as_dict(row) for row in connection.execute(query).mappings()]


def conditions_of(route: Mapping[str, Any]) -> Conditions:
    return Conditions(route["site"], route["group"], route["event"])


def _chat(connection: Connection, chat_id: str) -> Update:
    return update(Chat).where(Chat.chat_id == lives_in(connection, chat_id))


def _as_dict(row: RowMapping) -> dict[str, Any]:
    named = {**row}
    return {"group": named.pop("group_name"), **named}


def _takes(wanted: str | None, folded: str | None) -> bool:
    """Tell whether a condition takes what was said, which is already folded."""
    return wanted is None or _folded(wanted) == folded


@lru_cache(maxsize=1024)
def _folded(text: str | None) -> str | None:
    return None if text is None else " ".join(normalize("NFC", text).casefold().split())
