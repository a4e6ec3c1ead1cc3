"""The shapes of requests. Whatever is not described here is refused."""

import re
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic_core import PydanticCustomError
from werkzeug.routing import BaseConverter
from werkzeug.routing import ValidationError as NoSuchAddress

from attendance.audit.export import Form
from attendance.config import zone
from attendance.models import Event
from attendance.outbox.models import Status
from attendance.records.recording import Entry

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LARGEST_ID = 2**63 - 1
_CONTROLS = frozenset(("Cc", "Cs"))


def _rfc_3339(value: Any) -> datetime:
    """Parsed here: pydantic's strict mode takes text for a time only straight from JSON."""
    if isinstance(value, str) and _RFC_3339.fullmatch(value):
        with suppress(ValueError):
            return datetime.fromisoformat(value.upper())
    raise PydanticCustomError(
        "not_a_time", "must be a time with an offset, such as 2026-11-23T09:00:00+01:00"
    )


def _not_ancient(value: datetime) -> datetime:
    if value < _EARLIEST:
        raise PydanticCustomError("too_early", "must not lie before the year 2000")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("too_late", "must lie before the year 10000") from None


def _zone(value: str) -> ZoneInfo:
    try:
        return zone(value)
    except ValueError:
        raise PydanticCustomError(
            "not_a_zone", "must be an IANA time zone, such as Europe/Berlin"
        ) from None


def _composed(value: Any) -> Any:
    """One form for one text, before its length is measured."""
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def _text(value: str) -> str:
    """Controls have no place in a name or an id."""
    if not value.isprintable() and any(unicodedata.category(char) in _CONTROLS for char in value):
        raise PydanticCustomError("control_character", "must not contain control characters")
    return value


def _lines(value: str) -> str:
    _text(value.replace("\n", " ").replace("\r", " ").replace("\t", " "))
    return value


def _instant(value: Any) -> datetime:
    """A time with an offset, or a date, which means its beginning in UTC."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        value += "T00:00:00Z"
    # In a query an unescaped + arrives as a space.
    return _rfc_3339(re.sub(r" (\d\d:\d\d)$", r"+\1", value) if isinstance(value, str) else value)


def _short(length: int) -> Any:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=length)


Name = Annotated[str, _short(128), AfterValidator(_text), BeforeValidator(_composed)]
PersonName = Annotated[str, _short(200), AfterValidator(_text), BeforeValidator(_composed)]
Note = Annotated[str, _short(1000), AfterValidator(_lines), BeforeValidator(_composed)]
OccurredAt = Annotated[AwareDatetime, BeforeValidator(_rfc_3339), AfterValidator(_not_ancient)]
Instant = Annotated[AwareDatetime, BeforeValidator(_instant), AfterValidator(_not_ancient)]
Filter = Annotated[str, _short(500), AfterValidator(_text), BeforeValidator(_composed)]
Zone = Annotated[str, _short(64), AfterValidator(_zone)]
Id = Annotated[int, Field(ge=1, le=_LARGEST_ID)]


class IdInPath(BaseConverter):
    """An id as our answers write it; whatever else stands there is no address of ours."""

    regex = "[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        if int(value) > _LARGEST_ID:
            raise NoSuchAddress
        return int(value)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class _Query(BaseModel):
    """Query parameters arrive as text, so numbers are read from it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Location(_Strict):
    lat: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    lon: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
    accuracy_m: Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)] | None = None


class _Told(_Strict):
    """What is said of an event, and may be said anew."""

    person_id: Name
    event: Event
    person_name: PersonName | None = None
    occurred_at: OccurredAt | None = None
    site: Name | None = None
    group: Name | None = None
    device: Name | None = None
    note: Note | None = None
    location: Location | None = None
    timezone: Zone | None = None


class AttendanceIn(_Told):
    """The body of `POST /attendance`."""

    client_event_id: Name | None = None

    def as_entry(self) -> Entry:
        return Entry(
            person_id=self.person_id,
            event=self.event,
            person_name=self.person_name,
            occurred_at=self.occurred_at,
            timezone=self.timezone,  # type: ignore[arg-type]  # _zone made a ZoneInfo of it
            site=self.site,
            group=self.group,
            device=self.device,
            note=self.note,
            client_event_id=self.client_event_id,
            **_place(self.location),
        )


def _place(location: Location | None) -> dict[str, float | None]:
    return {
        "latitude": location.lat if location else None,
        "longitude": location.lon if location else None,
        "accuracy_m": location.accuracy_m if location else None,
    }


class Page(_Query):
    """What every list takes."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Annotated[str, Field(max_length=500)] | None = None


class AttendanceQuery(Page):
    person_id: Filter | None = None
    event: Event | None = None
    site: Filter | None = None
    group: Filter | None = None
    since: Annotated[Instant | None, Field(alias="from")] = None
    until: Annotated[Instant | None, Field(alias="to")] = None


class OutboxQuery(Page):
    status: Status | None = None
    chat: Filter | None = None


class AuditFilter(_Query):
    actor: Filter | None = None
    action: Filter | None = None
    target: Filter | None = None
    outcome: Filter | None = None
    request_id: Filter | None = None
    since: Annotated[Instant | None, Field(alias="from")] = None
    until: Annotated[Instant | None, Field(alias="to")] = None


class AuditQuery(AuditFilter, Page):
    pass


class AuditExportQuery(AuditFilter):
    form: Annotated[Form, Field(alias="format")] = "csv"
    raw: bool = False


Reason = Annotated[str, _short(500), AfterValidator(_lines), BeforeValidator(_composed)]


class ChangeIn(_Strict):
    """Why an admin changes something."""

    reason: Reason | None = None


class VoidIn(_Strict):
    """The body of `POST /attendance/{id}/void`."""

    reason: Reason


_LEFT_OUT: Any = None
"""Of a field that may be left out, and must not be null."""


class AmendIn(_Told):
    """The body of `POST /attendance/{id}/amend`: what is left out stays as it is, and what may be
    missing in a record can be taken away by null."""

    reason: Reason
    person_id: Name = _LEFT_OUT
    event: Event = _LEFT_OUT
    occurred_at: OccurredAt = _LEFT_OUT
    timezone: Zone = _LEFT_OUT

    def changes(self) -> dict[str, Any]:
        """What is to be changed of an `Entry`."""
        given = self.model_fields_set - {"reason", "location"}
        changes = {name: getattr(self, name) for name in given}
        return changes | (_place(self.location) if "location" in self.model_fields_set else {})


class RetryIn(ChangeIn):
    """Which messages to retry: all conditions that are given must hold."""

    ids: Annotated[tuple[Id, ...], Field(max_length=500)] = ()
    error: Annotated[str, _short(500), AfterValidator(_lines)] | None = None
    chat_id: Name | None = None
    since: OccurredAt | None = None
