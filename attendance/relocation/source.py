"""The database that is left: closed, marked as moved, or reopened."""

from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, insert, update

from attendance import audit
from attendance.audit import seals
from attendance.audit.sealer import Sealer, seal_all
from attendance.config.secrets import Secret
from attendance.db import Database, format_utc, relocation, schema
from attendance.db.relocation import Mark, Relocation
from attendance.outbox import heartbeat, queries
from attendance.relocation.errors import CannotMove


def standing_mark(source: Database) -> Mark | None:
    with source.snapshot() as connection:
        return relocation.mark_on(connection)


def close(
    source: Database, context: audit.Context, key: Secret | None, place: str, move: str
) -> str:
    """Let nobody write to the source any more, and seal its trail; return the id of the move:
    `move`, or that of one to the same place that was begun before and not ended.

    Raises:
        CannotMove: somebody delivers from it, or it goes elsewhere.
    """
    mark = standing_mark(source)
    if mark is None:
        now = source.clock()
        _refuse_while_in_use(source, now, key)
        # Seal nearly everything before: under the lock it would keep others waiting.
        Sealer(source, source.clock, key).finish()
        shut = partial(_close, now=now, context=context, key=key, place=place, move=move)
        mark = source.write(shut)
    if mark.place != place:
        raise CannotMove(
            f"The database {source.name} goes to {mark.place}: name that one, or give this move up "
            "with `manage.py db move --cancel`."
        )
    return str(mark.move)


def finish(source: Database, move: str) -> None:
    """Mark it as moved: from now on the other database is the right one.

    Raises:
        CannotMove: the move was given up meanwhile.
    """
    now = source.clock()
    ours = update(Relocation).where(Relocation.move == move)
    if not source.write(lambda c: c.execute(ours.values(state="moved", ended_at=now)).rowcount):
        raise CannotMove("The move was given up by somebody else: nothing was moved.")


def way_on(source: Database) -> str:
    """Say in a sentence what to do after a failure in the middle; empty if nothing is closed."""
    mark = standing_mark(source)
    if mark is None or mark.state == "arrived":
        return ""
    back = ", or open it with `manage.py db move --cancel`" if mark.state == "leaving" else ""
    return f"{source.name} is closed: run this again{back}."


def reopen(
    source: Database, url: str, context: audit.Context, note: schema.Note, *, discard: bool
) -> str:
    """Give the move up, and let the source at `url` be written to again; return where it would have
    gone. If the other database is complete, this needs `discard`: what was written there since is
    not here. A source that an older version has closed is upgraded, and `note` is told so.

    Raises:
        CannotMove: it is not being moved, or has been and `discard` is not set.
        Moved: it is the one that is moved to.
    """
    with Database.upgrading(url, None) as connection:
        relocation.refuse_incomplete(connection, source.name)
        mark = _to_be_given_up(connection, discard=discard)
        relocation.reopen(connection)
        connection.execute(delete(Relocation).where(Relocation.move == mark.move))
        if schema.is_outdated(connection):
            schema.upgrade_within(connection, source.clock, note)
        after = {"place": mark.place, "move": mark.move, "was_complete": mark.state == "moved"}
        audit.append(connection, source.clock(), context, "db.reopened", after=after)
    return str(mark.place)


def _refuse_while_in_use(source: Database, now: datetime, key: Secret | None) -> None:
    if names := heartbeat.live_dispatchers(source, now):
        raise CannotMove(
            f"A dispatcher is at work ({names[0]}): stop the service. One that was killed counts "
            f"for {heartbeat.SILENT_AFTER.total_seconds():.0f} s."
        )
    with source.snapshot() as connection:
        newest = seals.head(connection)
    if newest is not None and newest["mac"] is not None and key is None:
        raise CannotMove(
            "The audit trail is signed, and its last seal is to be, too: set AUDIT_HMAC_KEY as the "
            "service has it."
        )


def _close(
    connection: Connection,
    *,
    now: datetime,
    context: audit.Context,
    key: Secret | None,
    place: str,
    move: str,
) -> Mark:
    mark = relocation.mark_on(connection)
    if mark is not None:  # another move was faster
        return mark
    if (ends := queries.last_lease_ends(connection, now)) is not None:
        raise CannotMove(
            f"A message is being delivered until {format_utc(ends)} at most: stop the service, or "
            "where it was killed wait until then."
        )
    audit.append(connection, now, context, "db.closed", after={"place": place, "move": move})
    seal_all(connection, now, key)
    row: dict[str, Any] = {"move": move, "state": "leaving", "place": place, "started_at": now}
    connection.execute(insert(Relocation).values(row))
    relocation.close(connection, place)
    mark = relocation.mark_on(connection)
    assert mark is not None  # noqa: S101 - inserted above
    return mark


def _to_be_given_up(connection: Connection, *, discard: bool) -> Mark:
    mark = relocation.mark_on(connection)
    if mark is not None and mark.state == "arrived":
        raise CannotMove(
            f"Everything was moved here from {mark.place}: set DATABASE_URL to that to go back."
        )
    if mark is None or mark.state not in {"leaving", "moved"}:
        raise CannotMove("This database is not being moved: there is nothing to cancel.")
    if mark.state == "moved" and not discard:
        raise CannotMove(
            f"The move is complete, and what was recorded since is in {mark.place} alone. To go on "
            "here without it, stop whatever runs there and add --discard."
        )
    return mark
