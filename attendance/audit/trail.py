"""Write the trail: one explicit insert for each act, in the transaction of the act."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Index, String, Text, insert
from sqlalchemy.orm import Mapped, mapped_column

from attendance.config.secrets import redact_json, without_passwords
from attendance.db import Base, Prepared, UtcTime
from attendance.db.fast.row_json import row_json

SCHEMA_VERSION = 1
"""The version of what rows mean. A change of meaning gets a new number and changes no old row."""


class AuditEntry(Base):
    """A row of the trail. Append-only: triggers refuse whatever would change or replace one."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    occurred_at: Mapped[datetime] = mapped_column(UtcTime)
    actor_type: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[str | None] = mapped_column(String(128))
    actor_name: Mapped[str | None] = mapped_column(String(128))
    action: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    target_type: Mapped[str | None] = mapped_column(String(32))
    target_id: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(64))
    trace_id: Mapped[str | None] = mapped_column(String(64))
    source_ip: Mapped[str | None] = mapped_column(String(64))
    user_agent: Mapped[str | None] = mapped_column(String(256))
    host: Mapped[str] = mapped_column(String(128))
    before_json: Mapped[str | None] = mapped_column(Text)
    after_json: Mapped[str | None] = mapped_column(Text)
    schema_version: Mapped[int]

    __table_args__ = (
        Index("ix_audit_request_id", "request_id"),
        Index("ix_audit_target", "target_type", "target_id"),
        {"sqlite_autoincrement": True},
    )


_insert = Prepared(
    insert(AuditEntry.__table__),  # type: ignore[arg-type]  # a Table, declared as FromClause
    *(one.name for one in AuditEntry.__table__.columns if one.name != "id"),
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: `type` is `key`, `os_user`, `service` or `anonymous`."""

    type: str
    id: str | None = None
    name: str | None = None


ANONYMOUS = Actor("anonymous")


@dataclass(frozen=True, slots=True)
class Context:
    """Who acts, and from where. Plain values: it travels into the writer's thread."""

    actor: Actor
    request_id: str | None = None
    source_ip: str | None = None
    user_agent: str | None = None
    trace_id: str | None = None


def service_context(part: str) -> Context:
    """Make the context of what the service does by itself."""
    return Context(Actor("service", part, part))


@dataclass(frozen=True, slots=True)
class Entry:
    """A row to be, made before the transaction that appends it. If the target has no id until then,
    its type is given now and its id to `append`."""

    values: dict[str, Any]

    def append(self, connection: Connection, target_id: str | int | None = None) -> None:
        values = self.values
        if target_id is not None:
            values = {**values, "target_id": str(target_id)}
        _insert(connection, values)


def append(
    connection: Connection,
    now: datetime,
    context: Context,
    action: str,
    *,
    outcome: str = "success",
    target: tuple[str, str | int] | None = None,
    reason: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Append one row. `action` is dotted (`attendance.recorded`), `target` a type and an id."""
    target_type, target_id = target or (None, None)
    made = entry(
        now,
        context,
        action,
        target_type,
        outcome=outcome,
        reason=reason,
        before=before,
        after=after,
    )
    made.append(connection, target_id)


def entry(
    now: datetime,
    context: Context,
    action: str,
    target_type: str | None = None,
    *,
    outcome: str = "success",
    reason: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> Entry:
    """Make the same row, to be appended later."""
    return Entry(
        {
            "occurred_at": now,
            "actor_type": context.actor.type,
            "actor_id": context.actor.id,
            "actor_name": context.actor.name,
            "action": action,
            "outcome": outcome,
            "reason": None if reason is None else without_passwords(reason),
            "target_type": target_type,
            "target_id": None,
            "request_id": context.request_id,
            "trace_id": context.trace_id,
            "source_ip": context.source_ip,
            "user_agent": context.user_agent,
            "host": _HOST,
            "before_json": _json(before),
            "after_json": _json(after),
            "schema_version": SCHEMA_VERSION,
        }
    )


_HOST = socket.gethostname()


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else redact_json(row_json(value))
