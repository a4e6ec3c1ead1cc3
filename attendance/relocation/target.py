"""The database that is moved to: prepare, reserve and open it, one process at a time."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, inspect, update

from attendance import audit
from attendance.db import Base, Database, relocation, schema
from attendance.db.relocation import Mark, Relocation
from attendance.relocation.errors import CannotMove
from attendance.relocation.tables import is_empty

_NAME_ANOTHER = "name an empty one, as `createdb` makes it"


def prepare(target: Database, url: str, move: str | None) -> Mark | None:
    """Bring an empty database to this version's schema; or find the one to which `move` has come,
    and return its mark.

    Raises:
        CannotMove: it is not empty.
        DatabaseError: it cannot be used.
    """
    with Database.upgrading(url, None) as connection:
        mark = relocation.mark_on(connection)
        if mark is not None and mark.move == move:
            return mark
        _refuse_strangers(connection, target.name)
        if mark is not None:
            raise CannotMove(
                f"The database {target.name} is that of another move, from {mark.place}: "
                f"{_NAME_ANOTHER}."
            )
        schema.bring_up(connection)
        if not is_empty(connection):
            raise CannotMove(f"The database {target.name} is not empty: {_NAME_ANOTHER}.")
    return None


def reserve(url: str, now: datetime, move: str, place: str) -> None:
    """Let nobody start on it until everything from `place` is there. Nothing happens if that was
    done before.

    Raises:
        CannotMove: another move was faster.
    """
    with Database.upgrading(url, None) as connection:
        mark = relocation.mark_on(connection)
        if mark is None:
            row = {"move": move, "state": "arriving", "place": place, "started_at": now}
            connection.execute(insert(Relocation).values(row))
        elif mark.move != move:
            raise CannotMove(
                f"Another move, from {mark.place}, was faster: give this one up with "
                f"`manage.py db move --cancel`, and {_NAME_ANOTHER}."
            )


def refuse_opened(connection: Connection) -> None:
    """Raise CannotMove if somebody else has ended the move meanwhile: services may run."""
    mark = relocation.mark_on(connection)
    if mark is not None and mark.state == "arrived":
        raise CannotMove("Another `manage.py db move` has brought everything there meanwhile.")


def open_(
    url: str, now: datetime, context: audit.Context, move: str, found: Mapping[str, Any]
) -> None:
    """Let services start on it, and note in its trail what was `found` there. Nothing happens if
    that was done before."""
    with Database.upgrading(url, None) as connection:
        ours = update(Relocation).where(Relocation.move == move, Relocation.state == "arriving")
        if connection.execute(ours.values(state="arrived", ended_at=now)).rowcount:
            audit.append(connection, now, context, "db.moved", after=found)


def _refuse_strangers(connection: Connection, name: str) -> None:
    ours = {*Base.metadata.tables, "alembic_version"}
    strange = sorted(set(inspect(connection).get_table_names()) - ours)
    revision = schema.current_revision(connection)
    if strange or revision not in {None, schema.head_revision()}:
        what = f"the table {strange[0]}" if strange else "the shape of another version"
        raise CannotMove(f"The database {name} is not empty, it has {what}: {_NAME_ANOTHER}.")
