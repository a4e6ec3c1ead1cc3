"""The words that people read: one sentence in answers, the message in MarkdownV2.

May import `telegram.markdown`, through which every field of a record goes, `telegram.template`,
and what lies below.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What there is to say of one event. `local_time` is aware, in the zone where it happened."""

    person: str
    person_id: str
    event: Event
    local_time: datetime
    site: str | None = None
    group: str | None = None
    device: str | None = None
    note: str | None = None


class Notices:
    """What chats are told of an event: in our words, or in those of the operator's templates."""

    def __init__(self, templates: Mapping[str, str] | None = None) -> None:
        """`templates` are texts by the name of their variable.

        Raises:
            ConfigError: a variable names no event, or Telegram would refuse its text.
        """
        self._templates = {
            variable: _template(variable, text) for variable, text in (templates or {}).items()
        }

    def message(self, facts: Facts) -> str:
        own = self._templates.get(f"{TEMPLATE}_{facts.event.upper()}")
        template = own or self._templates.get(TEMPLATE)
        text = template.render(_values(facts)) if template else ""
        return text or attendance_message(
            facts.person,
            facts.event,
            facts.local_time,
            site=facts.site,
            group=facts.group,
            note=facts.note,
        )


def _template(variable: str, text: str) -> Template:
    known = [TEMPLATE, *(f"{TEMPLATE}_{event.upper()}" for event in EVENTS)]
    if variable not in known:
        raise ConfigError(f"{variable} names no event: there are {', '.join(known)}.")
    try:
        return Template(text, FIELDS)
    except BadTemplate as error:
        raise ConfigError(f"{variable} {error}") from None


def _values(facts: Facts) -> dict[str, str | None]:
    symbol, words = _WORDS[facts.event]
    return {
        "person": facts.person,
        "person_id": facts.person_id,
        "event": facts.event,
        "words": words,
        "symbol": symbol,
        "time": _time(facts.local_time),
        "date": _date(facts.local_time),
        "site": facts.site,
        "group": facts.group,
        "device": facts.device,
        "note": facts.note,
    }


def _time(local_time: datetime) -> str:
    return f"{local_time.hour:02}:{local_time.minute:02}"


def _date(local_time: datetime) -> str:
    """In English whatever the locale, as the rest of the words."""
    day, month = _DAYS[local_time.weekday()], _MONTHS[local_time.month - 1]
    return f"{day} {local_time.day} {month}"


def parked(chats: Mapping[str, bool]) -> list[str]:
    """What an admin is told of chats to which nothing goes out, by whether somebody paused them."""
    said = {chat_id: "paused" if is_paused else "parked" for chat_id, is_paused in chats.items()}
    return [
        f"The chat {chat_id} is {how}: `manage.py chats resume -- {chat_id}`."
        for chat_id, how in said.items()
    ]


def sentence(person: str, event: Event) -> str:
    """`Ada Lovelace checked in.`"""
    return f"{person} {_WORDS[event][1]}."


def attendance_message(
    person: str,
    event: Event,
    local_time: datetime,
    *,
    site: str | None = None,
    group: str | None = None,
    note: str | None = None,
) -> str:
    """What a chat is told of one event. `local_time` is aware, in the zone where it happened."""
    symbol, words = _WORDS[event]
    place = " · ".join(part for part in (site, group) if part)
    when = f"{_time(local_time)} · {_date(local_time)}"
    lines = [
        f"{symbol} {bold(person)} {escape(words)}",
        escape(" · ".join(part for part in (when, place) if part)),
        escape(f"“{note}”") if note else "",
    ]
    return "\n".join(line for line in lines if line)


def attendance_line(
    person: str,
    event: Event,
    local_time: datetime,
    *,
    site: str | None = None,
    group: str | None = None,
    note: str | None = None,
) -> str:
    """The same in one line, for a digest."""
    symbol, words = _WORDS[event]
    said = f"“{_unbroken(note)}”" if note else None
    rest = " · ".join(part for part in (words, site, group, said) if part)
    return f"{symbol} {_time(local_time)} {bold(person)} {escape(rest)}"


def void_message(facts: Facts, reason: str) -> str:
    """What a chat is told of a record that is void."""
    return f"🚫 Void: {_brief(facts)}\n{_because(reason)}"


def amended_message(before: Facts, after: Facts, reason: str) -> str:
    """What a chat is told of a record in whose place another stands; what it was before is left
    out where people would see no difference."""
    was, now = _brief(before), _brief(after)
    lines = [f"✏️ Corrected: {now}", "" if was == now else f"Before: {was}", _because(reason)]
    return "\n".join(line for line in lines if line)


def in_one_line(message: str) -> str:
    """A correction's message, for a digest."""
    return message.replace("\n", " · ")


def _brief(facts: Facts) -> str:
    when = (_time(facts.local_time), _date(facts.local_time))
    said = f"“{_unbroken(facts.note)}”" if facts.note else None
    parts = (_WORDS[facts.event][1], *when, facts.site, facts.group, said)
    return f"{bold(facts.person)} {escape(' · '.join(part for part in parts if part))}"


def _because(reason: str) -> str:
    return escape(f"Reason: {_unbroken(reason)}")


def _unbroken(text: str) -> str:
    return " ".join(text.split())


def crash_message(action: str, request_id: str, host: str) -> str:
    """What the default chat is told when a request crashed: where to look, and nothing of what
    the request held."""
    return "\n".join(
        (
            f"🛑 {bold('A request crashed')}",
            escape(f"{action} on {host}"),
            escape(f"Look for request {request_id} in the log and in the audit trail."),
        )
    )


def anchor_message(checkpoint: str) -> str:
    """The newest seal of the audit trail, for a chat that bears witness. The lines are code, which
    Telegram shows as they are and copies at a touch."""
    return f"🔏 {bold('The audit trail is sealed up to here')}\n```\n{checkpoint}```"
