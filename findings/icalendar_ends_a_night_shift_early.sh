#!/usr/bin/env bash
# icalendar counts eight hours of a shift on the wall clock, so that one in March lasts seven.
#
# With:    icalendar 7.3.2, whenever 0.11.0 for comparison, tzdata 2026.6;
#          on Python 3.11.7, in December 2026.
# Guessed: RFC 5545 has hours in a DURATION as exact (days are nominal), so PT8H from 22:00 ends at
#          07:00 in the night that has no 02:00.
# Seen:    the end is 06:00, seven hours later, and 08:00 of duration is claimed of it; in October
#          nine hours pass. whenever 0.11.0 adds eight hours and comes to 07:00 and 05:00. Files
#          with DTEND, which have no such sum to make, are read right.
# So:      work time is a difference of moments in UTC, never of what a calendar shows.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check \
    icalendar==7.3.2 \
    python-dateutil==4.0.0 \
    typing_extensions==4.16.0 \
    whenever==0.11.0 \
    tzdata==2026.6

PYTHONTZPATH='' env/bin/python - <<'PYTHON'
def check(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        raise SystemExit(f"CHANGED: {what} was {expected}")

from datetime import UTC

from icalendar import Calendar
from whenever import ZonedDateTime

SHIFT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//shifts//EN
BEGIN:VEVENT
UID:1
DTSTAMP:20260101T000000Z
DTSTART;TZID=Europe/Berlin:2026{day}T220000
DURATION:PT8H
END:VEVENT
END:VCALENDAR
"""


def shift(day):
    """When it ends, how long it says it is, and how long it is."""
    [event] = Calendar.from_ical(SHIFT.format(day=day).replace("\n", "\r\n")).events
    passed = event.end.astimezone(UTC) - event.start.astimezone(UTC)
    return f"{event.end:%H:%M}, {event.duration}, {passed}"


def by_whenever(month, day):
    end = ZonedDateTime(2026, month, day, 22, tz="Europe/Berlin").add(hours=8)
    return f"{end.hour:02}:{end.minute:02}"


check("an ordinary night", shift("0310"), "06:00, 8:00:00, 8:00:00")
check("the night of 28 March", shift("0328"), "06:00, 8:00:00, 7:00:00")
check("the night of 24 October", shift("1024"), "06:00, 8:00:00, 9:00:00")
check("whenever in March", by_whenever(3, 28), "07:00")
check("whenever in October", by_whenever(10, 24), "05:00")
PYTHON
