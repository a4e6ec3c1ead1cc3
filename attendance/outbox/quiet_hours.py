"""Hours in which a chat is told without a sound."""

import re
from datetime import time

_FORM = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


def parse(text: str) -> tuple[time, time]:
    """Parse `22:00-07:00` into its two times. Raises ValueError for anything else, and for a span
    of no time at all (`07:00-07:00`)."""
    found = _FORM.fullmatch(text)
    if found is None or text[:5] == text[6:]:
        raise ValueError(f"{text!r} is no span of hours: give one such as 22:00-07:00.")
    hour, minute, last_hour, last_minute = map(int, found.groups())
    return time(hour, minute), time(last_hour, last_minute)


def is_quiet(hours: str | None, local: time) -> bool:
    """Tell whether `local` lies in the span, which may lead over midnight and excludes its end."""
    if hours is None:
        return False
    first, last = parse(hours)
    if first < last:
        return first <= local < last
    return local >= first or local < last
