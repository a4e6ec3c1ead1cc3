#!/usr/bin/env bash
# croniter and APScheduler read the same line of a crontab as different nights and different days.
#
# With:    croniter 7.0.0, APScheduler 3.11.3, tzdata 2026.6;
#          on Python 3.11.7, in December 2026.
# Guessed: they differ in corners, if at all: crontab(5) says that a day which fits either field
#          will do.
# Seen:    croniter: each Friday and each 13th. APScheduler's from_crontab: a 13th that is a
#          Saturday, as it counts days of the week from Monday and wants both to hold; after
#          November 2026 that is in February 2027. In the night when 02:30 does not come, croniter
#          runs at 03:00, and APScheduler returns 02:30+01:00, a time that no clock shows, half an
#          hour later. In the night that has 02:30 twice, both run twice.
# So:      no schedule between 02:00 and 03:00, days of the week by name, and no library swapped
#          for another unseen.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check \
    croniter==7.0.0 \
    python-dateutil==4.0.0 \
    APScheduler==3.11.3 \
    tzlocal==5.4.5 \
    tzdata==2026.6

PYTHONTZPATH='' env/bin/python - <<'PYTHON'
def check(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        raise SystemExit(f"CHANGED: {what} was {expected}")

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger
from croniter import croniter

BERLIN = ZoneInfo("Europe/Berlin")


def by_croniter(line, start, count):
    runs = croniter(line, start)
    return [runs.get_next(datetime).isoformat() for _ in range(count)]


def by_apscheduler(line, start, count):
    trigger, runs, now = CronTrigger.from_crontab(line, timezone=BERLIN), [], start
    while len(runs) < count:
        runs.append(trigger.get_next_fire_time(runs[-1] if runs else None, now))
        now = (runs[-1].astimezone(UTC) + timedelta(seconds=1)).astimezone(BERLIN)
    return [run.isoformat() for run in runs]


start = datetime(2026, 11, 1, tzinfo=BERLIN)
line = "0 9 13 * 5"
check(
    f"{line} by croniter",
    by_croniter(line, start, 3),
    ["2026-11-06T09:00:00+01:00", "2026-11-13T09:00:00+01:00", "2026-11-20T09:00:00+01:00"],
)
check(
    f"{line} by APScheduler",
    by_apscheduler(line, start, 2),
    ["2027-02-13T09:00:00+01:00", "2027-03-13T09:00:00+01:00"],
)
line, spring = "30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=BERLIN)
check(f"{line} by croniter", by_croniter(line, spring, 1), ["2026-03-29T03:00:00+02:00"])
check(f"{line} by APScheduler", by_apscheduler(line, spring, 1), ["2026-03-29T02:30:00+01:00"])
autumn = datetime(2026, 10, 24, 12, tzinfo=BERLIN)
twice = ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]
check(f"{line} in autumn by croniter", by_croniter(line, autumn, 2), twice)
check(f"{line} in autumn by APScheduler", by_apscheduler(line, autumn, 2), twice)
PYTHON
