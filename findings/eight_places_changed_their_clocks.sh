#!/usr/bin/env bash
# Zone data of 2025 and of 2026 differ on the time of fifteen names in 2026 and 2027, large cities among them.
#
# With:    tzdata 2025.2 (IANA 2025b, as in Debian 12 at the time) beside 2026.6 (IANA 2026f);
#          on Python 3.11.7, in December 2026.
# Guessed: two or three places, none of them large.
# Seen:    Vancouver, Edmonton and Winnipeg stay on summer time after October 2026, Inuvik with
#          them, and Havana for one winter at least. Morocco and Western Sahara leave UTC+1 in
#          September 2026. Chisinau begins its summer time at another hour than before. A machine
#          with the older data says another hour, and around midnight another day.
# So:      `local_date` is stored and stays as it was computed: keep the zone data of the machine
#          up to date where people are in such places.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check tzdata==2026.6

env/bin/python - <<'PYTHON'
def check(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        raise SystemExit(f"CHANGED: {what} was {expected}")

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
for version in ("2025.2", "2026.6"):
    subprocess.run([*pip, "--target", version, f"tzdata=={version}"], check=True)
OLD, NEW = Path("2025.2/tzdata"), Path("2026.6/tzdata")
HOURS = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=6 * n) for n in range(4 * 730)]


def read(data, name):
    with (data / "zoneinfo" / name).open("rb") as file:
        return ZoneInfo.from_file(file, name)


def first_difference(name):
    before, now = read(OLD, name), read(NEW, name)
    for hour in HOURS:
        was, is_ = hour.astimezone(before).utcoffset(), hour.astimezone(now).utcoffset()
        if was != is_:
            return f"{hour:%Y-%m-%d} {was / timedelta(hours=1):+g} {is_ / timedelta(hours=1):+g}"
    return None


names = (OLD / "zones").read_text().split()
different = {name: found for name in names if (found := first_difference(name))}
check("names in both", len(names), 598)
check("of which another time is known now", len(different), 15)
for name, expected in {
    "Africa/Casablanca": "2026-09-20 +1 +0",
    "America/Edmonton": "2026-11-01 -7 -6",
    "America/Havana": "2026-11-01 -5 -4",
    "America/Vancouver": "2026-11-01 -8 -7",
    "America/Winnipeg": "2026-11-01 -6 -5",
    "Europe/Chisinau": "2026-03-29 +3 +2",
}.items():
    check(name, different[name], expected)
PYTHON
