"""The words that people read: one sentence in answers, the message in MarkdownV2.

May import `telegram.markdown`, through which every field of a record goes.
"""

from datetime import datetime

from attendance.models import Event
from attendance.telegram.markdown import bold, escape

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
    when = f"{local_time:%H:%M} · {local_time:%a} {local_time.day} {local_time:%b}"
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
    said = f"“{' '.join(note.split())}”" if note else None
    rest = " · ".join(part for part in (words, site, group, said) if part)
    return f"{symbol} {local_time:%H:%M} {bold(person)} {escape(rest)}"


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
