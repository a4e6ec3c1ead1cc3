"""The mark on a database that is moving to another: nobody may work on either.

The database that is left is closed by triggers, so that strangers and older versions are refused,
too; it can be read for ever. The one that is moved to refuses whoever starts on it until everything
is there.
"""

from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import CheckConstraint, Connection, Row, String, Text, inspect, select
from sqlalchemy.orm import Mapped, mapped_column

from attendance.db.base import Base, UtcTime
from attendance.db.errors import CLOSED, Moved

State = Literal["leaving", "moved", "arriving", "arrived"]
_states = ", ".join(f"'{state}'" for state in get_args(State))
_PREFIX = "closed_"


class Relocation(Base):
    """A move, under the same `move` in both databases. In the one that is left its state is
    `leaving` and then `moved`, and it goes to `place`; in the other it is `arriving` and then
    `arrived`, and it comes from `place`. Later versions read this before they upgrade: it must
    never get another column."""

    __tablename__ = "relocation"

    move: Mapped[str] = mapped_column(String(32), primary_key=True)
    state: Mapped[State] = mapped_column(String(8))
    place: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(UtcTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)

    __table_args__ = (
        CheckConstraint(f"state IN ({_states})", name="state"),
        CheckConstraint(
            "(state IN ('moved', 'arrived')) = (ended_at IS NOT NULL)", name="ended_at"
        ),
    )


Mark = Row[*tuple[Any, ...]]
"""A row of `Relocation`."""

_newest = select(*Relocation.__table__.columns).order_by(Relocation.started_at.desc()).limit(1)


def mark_on(connection: Connection) -> Mark | None:
    """Return the last move from here or to here; None if there was none."""
    if not inspect(connection).has_table(Relocation.__tablename__):
        return None
    return connection.execute(_newest).first()


def refuse_incomplete(connection: Connection, name: str) -> None:
    """Raise Moved if not everything that is moved here is here yet."""
    _refuse_arriving(mark_on(connection), name)


def _refuse_arriving(mark: Mark | None, name: str) -> None:
    if mark is not None and mark.state == "arriving":
        raise Moved(
            f"The database {name} is not complete: `manage.py db move` brings it here from "
            f"{mark.place}. Let that end, or run it again."
        )


def refuse_closed(connection: Connection, name: str) -> None:
    """Raise Moved if not everything is here yet, or if this database was left: it can only be
    read."""
    mark = mark_on(connection)
    _refuse_arriving(mark, name)
    if mark is None or mark.state == "arrived":
        return
    if mark.state == "moved":
        raise Moved(f"The database {name} has moved to {mark.place}: set DATABASE_URL to that one.")
    raise Moved(
        f"The database {name} is being moved to {mark.place}: let `manage.py db move` end, or give "
        "the move up with `manage.py db move --cancel`."
    )


def refuse_closed_by_an_older(connection: Connection, name: str) -> None:
    """Raise Moved if a database with an older version's schema was left: it stays as it is."""
    mark = mark_on(connection)
    if mark is not None and mark.state in {"leaving", "moved"}:
        raise Moved(
            f"The database {name} has the shape of an older version, which closed it to move it to "
            f"{mark.place}: that one reads it, and `manage.py db move --cancel` opens it again."
        )


def close(connection: Connection, place: str) -> None:
    """Refuse every change of a SQLite database, whoever makes it, except to the mark itself."""
    said = f"{CLOSED}: `manage.py db move` takes it to {place}.".replace("'", "''")
    for table in inspect(connection).get_table_names():
        if table == Relocation.__tablename__:
            continue
        for event in ("insert", "update", "delete"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER {_PREFIX}{table}_{event} BEFORE {event} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
            )


def reopen(connection: Connection) -> None:
    """Undo `close`."""
    made = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name GLOB ?"
    for name in connection.exec_driver_sql(made, (f"{_PREFIX}*",)).scalars().all():
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
