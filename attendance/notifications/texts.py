"""The words that people read: a sentence in answers, a message to chats in MarkdownV2.

A record is a mapping with the columns of `attendance`; what a chat is told is read from it here and
nowhere else. Whatever comes from a record goes through `telegram.markdown`, so that none of it
becomes markup.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from attendance.config import ConfigError
from attendance.models import EVENTS, Event
from attendance.telegram.markdown.template import BadTemplate, Template
from attendance.telegram.markdown.text import bold, escape

TEMPLATE = "NOTICE_TEMPLATE"
"""The variable with a text for all events; followed by `_` and an event, that event's own."""

FIELDS = (
    *("person", "person_id", "event", "words", "symbol", "time", "date"),
    *("site", "group", "device", "note"),
)

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_WORDS: dict[Event, tuple[str, str]] = {
    "check_in": ("✅", "checked in"),
    "check_out": ("👋", "checked out"),
    "break_start": ("☕", "started a break"),
    "break_end": ("💼", "is back from a break"),
    "present": ("🟢", "is present"),
    "absent": ("⚪", "is absent"),
    "late": ("⏰", "is late"),
    "leave": ("🌴", "is on leave"),
}


Record = Mapping[str, Any]
"""The columns of `attendance`; the texts need no others."""


class Notices:
    """What chats are told of a record: in our words, or in those of the operator's templates."""

    def __init__(self, templates: Mapping[str, str] | None = None) -> None:
        """Read `templates`, which are texts by the name of their variable.

        Raises:
            ConfigError: a variable names no event, or Telegram would refuse its text.
        """
        self._templates = {
            variable: _template(variable, text) for variable, text in (templates or {}).items()
        }

    def message(self, record: Record) -> str:
        if not self._templates:
            return attendance_message(record)
        own = self._templates.get(f"{TEMPLATE}_{record['event'].upper()}")
        template = own or self._templates.get(TEMPLATE)
        text = template.render(_values(record)) if template else ""
        # Fields may be empty, and a template may be made of nothing else: an empty message would be
        # refused.
        return text or attendance_message(record)


def _template(variable: str, text: str) -> Template:
    known = [TEMPLATE, *(f"{TEMPLATE}_{event.upper()}" for event in EVENTS)]
    if variable not in known:
        raise ConfigError(f"{variable} names no event: there are {', '.join(known)}.")
    try:
        return Template(text, FIELDS)
    except BadTemplate as error:
        raise ConfigError(f"{variable} {error}") from None


def _values(record: Record) -> dict[str, str | None]:
    symbol, words = _WORDS[record["event"]]
    local_time = _local_time(record)
    return {
        "person": _person(record),
        "person_id": record["person_id"],
        "event": record["event"],
        "words": words,
        "symbol": symbol,
        "time": _time(local_time),
        "date": _date(local_time),
        "site": record["site"],
        "group": record["group_name"],
        "device": record["device"],
        "note": record["note"],
    }


def _person(record: Record) -> str:
    return str(record["person_name"] or record["person_id"])


def _local_time(record: Record) -> datetime:
    """Return when it happened, by the clock of where it happened."""
    occurred_at: datetime = record["occurred_at"]
    return occurred_at.astimezone(ZoneInfo(record["timezone"]))


def _time(local_time: datetime) -> str:
    return f"{local_time.hour:02}:{local_time.minute:02}"


def _date(local_time: datetime) -> str:
    """Write the date in English, whatever the locale is, as the rest of the words are."""
    day, month = _DAYS[local_time.weekday()], _MONTHS[local_time.month - 1]
    return f"{day} {local_time.day} {month}"


def parked(chats: Mapping[str, bool]) -> list[str]:
    """What an admin is told of chats to which nothing goes out, by whether somebody paused them."""
    said = {chat_id: "paused" if is_paused else "parked" for chat_id, is_paused in chats.items()}
    return [
        f"The chat {chat_id} is {how}: `manage.py chats resume -- {chat_id}`."
        for chat_id, how in said.items()
    ]


def route(found: Mapping[str, Any]) -> str:
    """What a route tells a chat of: `site HQ, late (topic 5)`, or `everything`."""
    parts = (
        found["site"] and f"site {found['site']}",
        found["group"] and f"group {found['group']}",
        found["event"],
    )
    what = ", ".join(part for part in parts if part) or "everything"
    return f"{what} (topic {found['thread_id']})" if found["thread_id"] else what


def sentence(person: str, event: Event) -> str:
    """Say what happened in one sentence, as `Ada Lovelace checked in.`"""
    return f"{person} {_WORDS[event][1]}."


def attendance_message(record: Record) -> str:
    """Write what a chat is told of a record, in our words."""
    symbol, words = _WORDS[record["event"]]
    local_time, note = _local_time(record), record["note"]
    place = " · ".join(part for part in (record["site"], record["group_name"]) if part)
    when = f"{_time(local_time)} · {_date(local_time)}"
    lines = [
        f"{symbol} {bold(_person(record))} {escape(words)}",
        escape(" · ".join(part for part in (when, place) if part)),
        escape(f"“{note}”") if note else "",
    ]
    return "\n".join(line for line in lines if line)


def attendance_line(record: Record) -> str:
    """Write the same in one line, for a digest."""
    symbol, words = _WORDS[record["event"]]
    parts = (words, record["site"], record["group_name"], _quoted(record))
    rest = " · ".join(part for part in parts if part)
    return f"{symbol} {_time(_local_time(record))} {bold(_person(record))} {escape(rest)}"


def void_message(record: Record, reason: str) -> str:
    """Write what a chat is told of a record that is void."""
    return f"🚫 Void: {_brief(record)}\n{_because(reason)}"


def amended_message(before: Record, after: Record, reason: str) -> str:
    """Write what a chat is told of a record in whose place another stands."""
    was, now = _brief(before), _brief(after)
    # What changed may be nothing that people are shown, as the device: no before then.
    lines = [f"✏️ Corrected: {now}", "" if was == now else f"Before: {was}", _because(reason)]
    return "\n".join(line for line in lines if line)


def in_one_line(message: str) -> str:
    """Bring a correction's message into one line, for a digest."""
    return message.replace("\n", " · ")


def _brief(record: Record) -> str:
    local_time = _local_time(record)
    when = (_time(local_time), _date(local_time))
    place = (record["site"], record["group_name"])
    parts = (_WORDS[record["event"]][1], *when, *place, _quoted(record))
    return f"{bold(_person(record))} {escape(' · '.join(part for part in parts if part))}"


def _quoted(record: Record) -> str | None:
    note = record["note"]
    return f"“{_unbroken(note)}”" if note else None


def _because(reason: str) -> str:
    return escape(f"Reason: {_unbroken(reason)}")


def _unbroken(text: str) -> str:
    return " ".join(text.split())


def crash_message(action: str, request_id: str, host: str) -> str:
    """Write what the default chat is told of a request that crashed: where to look, and nothing of
    what the request held."""
    return "\n".join(
        (
            f"🛑 {bold('A request crashed')}",
            escape(f"{action} on {host}"),
            escape(f"Look for request {request_id} in the log and in the audit trail."),
        )
    )


def anchor_message(checkpoint: str) -> str:
    """Write the newest seal of the audit trail, for a chat that bears witness."""
    # As code: Telegram shows the lines as they are, and copies them at a touch.
    return f"🔏 {bold('The audit trail is sealed up to here')}\n```\n{checkpoint}```"
