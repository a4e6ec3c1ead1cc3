"""The tables of attendance itself: records, corrections, API keys, routes and kept answers."""

from datetime import date, datetime
from typing import Literal, get_args

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from attendance.db import Base, UtcTime, partial_index

Event = Literal[
    "check_in", "check_out", "break_start", "break_end", "present", "absent", "late", "leave"
]
EVENTS: tuple[Event, ...] = get_args(Event)

Role = Literal["frontend", "admin", "auditor"]
ROLES: tuple[Role, ...] = get_args(Role)


def _one_of(column: str, values: tuple[str, ...]) -> str:
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{column} IN ({listed})"


class Attendance(Base):
    """One event of one person. Never changed: a correction is another row."""

    __tablename__ = "attendance"

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(String(128))
    person_name: Mapped[str | None] = mapped_column(String(200))
    event: Mapped[Event] = mapped_column(String(16))
    occurred_at: Mapped[datetime] = mapped_column(UtcTime)
    received_at: Mapped[datetime] = mapped_column(UtcTime)
    timezone: Mapped[str] = mapped_column(String(64))
    local_date: Mapped[date]
    site: Mapped[str | None] = mapped_column(String(128))
    group_name: Mapped[str | None] = mapped_column(String(128))
    device: Mapped[str | None] = mapped_column(String(128))
    note: Mapped[str | None] = mapped_column(String(1000))
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    accuracy_m: Mapped[float | None]
    client_event_id: Mapped[str | None] = mapped_column(String(128))
    key_lineage: Mapped[int]
    key_id: Mapped[int]
    request_id: Mapped[str] = mapped_column(String(64))

    __table_args__ = (
        CheckConstraint(_one_of("event", EVENTS), name="event"),
        Index("ix_attendance_person", "person_id", "occurred_at", "id"),
        Index("ix_attendance_occurred_at", "occurred_at", "id"),
        {"sqlite_autoincrement": True},  # no id is given out twice, even after a deletion
    )


class Correction(Base):
    """What became of a record that was wrong, once and for ever: it is void, or another replaces
    it."""

    __tablename__ = "correction"

    attendance_id: Mapped[int] = mapped_column(
        ForeignKey("attendance.id"), primary_key=True, autoincrement=False
    )
    replaced_by: Mapped[int | None] = mapped_column(ForeignKey("attendance.id"), unique=True)
    reason: Mapped[str] = mapped_column(String(500))
    corrected_at: Mapped[datetime] = mapped_column(UtcTime)
    key_id: Mapped[int]
    request_id: Mapped[str] = mapped_column(String(64))

    # What replaces a record is newer than it, so a chain of corrections cannot loop.
    __table_args__ = (CheckConstraint("replaced_by > attendance_id", name="leads_on"),)


class ClientEvent(Base):
    """A `client_event_id` that was answered, kept for ever: with which record, and the time that
    the client gave. If the duplicate window took two events for one, it is the other's record."""

    __tablename__ = "client_event"

    key_lineage: Mapped[int] = mapped_column(primary_key=True)
    client_event_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    attendance_id: Mapped[int] = mapped_column(ForeignKey("attendance.id"))
    occurred_at: Mapped[datetime | None] = mapped_column(UtcTime)

    # Rows are stored by their key, which SQLite would otherwise keep a second time as an index.
    __table_args__ = ({"sqlite_with_rowid": False},)


class ApiKey(Base):
    """An API key, hashed. Its `lineage` is the id of the first key of its rotations."""

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(primary_key=True)
    lineage: Mapped[int]
    name: Mapped[str] = mapped_column(String(64))
    role: Mapped[Role] = mapped_column(String(8))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)

    __table_args__ = (
        CheckConstraint(_one_of("role", ROLES), name="role"),
        Index("uq_api_key_name_live", "name", unique=True, **partial_index("revoked_at IS NULL")),
        {"sqlite_autoincrement": True},
    )


class Route(Base):
    """Which records a chat, or a topic of it, is told of: all conditions that are set must hold; a
    route without any takes everything."""

    __tablename__ = "route"

    id: Mapped[int] = mapped_column(primary_key=True)
    chat_id: Mapped[str] = mapped_column(String(64))
    thread_id: Mapped[int | None]
    site: Mapped[str | None] = mapped_column(String(128))
    group_name: Mapped[str | None] = mapped_column(String(128))
    event: Mapped[Event | None] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcTime)

    __table_args__ = (
        CheckConstraint(_one_of("event", EVENTS), name="event"),
        {"sqlite_autoincrement": True},
    )


class IdempotencyKey(Base):
    """The answer that a client got, so that the same request can be answered the same way again."""

    __tablename__ = "idempotency_key"

    key_lineage: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    location: Mapped[str | None] = mapped_column(String(255))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime, index=True)

    __table_args__ = ({"sqlite_with_rowid": False},)


class ServiceSecret(Base):
    """A secret that the service created for itself, once."""

    __tablename__ = "service_secret"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(UtcTime)
