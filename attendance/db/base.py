"""The declarative base, its naming convention, and time.

Times are aware datetimes in UTC everywhere in the code. SQLite stores them as text (`db.text`);
PostgreSQL has a type for them.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import TIMESTAMP, BigInteger, Dialect, Integer, MetaData, String, text
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

from attendance.db.text import format_utc, parse_utc

WHOLE = BigInteger().with_variant(Integer(), "sqlite")
"""A whole number of 64 bits: on SQLite an INTEGER, the only type that can be the id of a row."""


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {int: WHOLE}
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def partial_index(condition: str) -> dict[str, Any]:
    """Restrict an index to the rows for which `condition` holds, on each database."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


only_where = partial_index
"""The name that migrations use, which stay as they were written."""


def utc_now() -> datetime:
    """Return the time of this machine. Whoever works on a database goes by `Database.clock`."""
    return datetime.now(UTC)


def _stored(time: datetime | None) -> str | None:
    return None if time is None else format_utc(time)


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC datetime: fixed-width text on SQLite, `timestamptz` elsewhere."""

    impl = String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(27))
        return dialect.type_descriptor(TIMESTAMP(timezone=True))

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """Skip what SQLAlchemy does around `process_bind_param` for types that need it."""
        return _stored if dialect.name == "sqlite" else None

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return _stored(value) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            return value  # type: ignore[no-any-return]
        return parse_utc(value)
