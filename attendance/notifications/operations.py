"""What people do to messages and chats: each one function, the act and its audit rows in one.

The API and the command line call these, and nothing else changes a message or a chat by hand. Each
takes the caller's connection, commits nothing, and returns what it changed and what it left alone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from attendance import audit
from attendance.audit import Context
from attendance.config.secrets import without_passwords
from attendance.notifications import left_alone, routing, texts
from attendance.notifications.routing import EVERYTHING, Conditions
from attendance.outbox import admin, queries
from attendance.outbox.admin import Changes, Filter


def retry(
    connection: Connection,
    now: datetime,
    context: Context,
    chosen: Filter,
    reason: str | None,
    *,
    audit_refused: bool = True,
    dry_run: bool = False,
) -> Changes:
    """Put failed and uncertain messages, and cancelled ones that are named, back to `pending`.

    Without `audit_refused` the caller refuses what was left alone, and audits that itself.
    """
    changes = admin.retry(connection, now, chosen, dry_run=dry_run)
    if not dry_run:
        _audit_changed(connection, now, context, "outbox.retried", changes, "pending", reason)
        if audit_refused:
            _audit_refused(connection, now, context, "outbox.retried", changes)
    return changes


def cancel(
    connection: Connection,
    now: datetime,
    context: Context,
    ids: Sequence[int],
    reason: str | None,
    *,
    audit_refused: bool = True,
) -> Changes:
    """Give up messages that are not sent and not under way. `audit_refused` is as for `retry`."""
    changes = admin.cancel(connection, now, ids)
    _audit_changed(connection, now, context, "outbox.cancelled", changes, "cancelled", reason)
    if audit_refused:
        _audit_refused(connection, now, context, "outbox.cancelled", changes)
    return changes


def chats_to_resume(connection: Connection, changes: Changes) -> list[str]:
    """After a retry: a sentence for each chat to be resumed before what waits for it goes out."""
    return texts.parked(queries.parked_chats_of(connection, changes.waiting))


def pause(
    connection: Connection, now: datetime, context: Context, chat_id: str, reason: str
) -> bool:
    """Send nothing to this chat until it is resumed; False where there is no such chat."""
    known = admin.pause(connection, now, chat_id, without_passwords(reason))
    if known:
        target = ("chat", chat_id)
        audit.append(connection, now, context, "chat.paused", target=target, reason=reason)
    return known


def resume(connection: Connection, now: datetime, context: Context, chat_id: str) -> bool:
    """Send to this chat again, paused or parked; False where there is no such chat."""
    known = admin.resume(connection, now, chat_id)
    if known:
        audit.append(connection, now, context, "chat.resumed", target=("chat", chat_id))
    return known


@dataclass(frozen=True, slots=True)
class Told:
    """`routes` say in words what a chat is told of now; `narrowed` whether, until now, it or its
    topic was told of everything."""

    routes: list[str]
    narrowed: bool


def add(
    connection: Connection,
    now: datetime,
    context: Context,
    chat_id: str,
    thread_id: int | None,
    wanted: Sequence[Conditions],
    settings: Mapping[str, str | bool | None],
) -> Told:
    """Tell a chat, or a topic of it, of what fits any of the wanted conditions.

    `settings` are columns of the chat: `title`, `silent`, `quiet_hours`. Where only they are given,
    a chat that has conditions keeps them. Where nothing changes, nothing is audited.
    """
    known = routing.listed(connection, chat_id)
    only_settings = bool(known and settings and thread_id is None) and EVERYTHING in wanted
    added = routing.add(connection, now, chat_id, thread_id, [] if only_settings else wanted)
    routing.set_up(connection, chat_id, **settings)
    routes = _in_words(routing.listed(connection, chat_id))
    if added.made or added.narrowed or settings:
        target, after = ("chat", chat_id), {"routes": routes, **settings}
        audit.append(connection, now, context, "chat.added", target=target, after=after)
    return Told(routes, added.narrowed)


def remove(
    connection: Connection,
    now: datetime,
    context: Context,
    chat_id: str,
    chosen: Mapping[str, Collection[Any]],
) -> list[str]:
    """Tell a chat no more of the routes whose columns each have one of the chosen values.

    Without `chosen` all its routes go. Returned are those that went, in words.
    """
    removed = routing.remove(
        connection,
        chat_id,
        lambda route: all(route[name] in values for name, values in chosen.items()),
    )
    gone = _in_words(removed)
    if gone:
        target, before = ("chat", chat_id), {"routes": gone}
        audit.append(connection, now, context, "chat.removed", target=target, before=before)
    return gone


def _in_words(routes: Sequence[Mapping[str, Any]]) -> list[str]:
    return [texts.route(route) for route in routes]


def _audit_changed(
    connection: Connection,
    now: datetime,
    context: Context,
    action: str,
    changes: Changes,
    status: str,
    reason: str | None,
) -> None:
    """Append a row for each message that has changed to `status`."""
    for message_id, before in changes.before.items():
        audit.append(
            connection,
            now,
            context,
            action,
            target=("outbox", message_id),
            reason=reason,
            before={"status": before},
            after={"status": status},
        )


def _audit_refused(
    connection: Connection, now: datetime, context: Context, action: str, changes: Changes
) -> None:
    """Append a row for each message that was named and left alone."""
    for message_id, status in changes.refused.items():
        audit.append(
            connection,
            now,
            context,
            action,
            outcome="refused",
            target=("outbox", message_id),
            reason=left_alone.in_the_trail(status),
        )
