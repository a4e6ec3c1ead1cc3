#!/usr/bin/env bash
# Babel numbers the weeks of a language without a country by no country's rule.
#
# With:    Babel 2.18.0;
#          on Python 3.11.7, in December 2026.
# Guessed: a German week is the ISO week, whether one asks for "de" or for "de_DE".
# Seen:    "de" takes the rule of the world at large, where a week belongs to the new year from its
#          first day there; "de_DE" has the ISO week. Of the 3,653 days of 2026 to 2035 "de" names
#          another week than ISO on 1,470, whole years long: Friday, 1 January 2027 is in week 1
#          instead of 53 of 2026. So do "fr", "sv", "nl" and "pl".
# So:      a report by week takes its number from datetime.isocalendar(), or names the country.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check Babel==2.18.0

env/bin/python - <<'PYTHON'
def check(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        raise SystemExit(f"CHANGED: {what} was {expected}")

from datetime import date, timedelta

from babel.dates import format_date

DAYS = [date(2026, 1, 1) + timedelta(days) for days in range(3653)]


def iso(day):
    return "{}-{:02}".format(*day.isocalendar())


def differ(locale):
    return sum(format_date(day, "YYYY-ww", locale=locale) != iso(day) for day in DAYS)


day = date(2027, 1, 1)
check("ISO's week of 1 January 2027", iso(day), "2026-53")
check("that of de", format_date(day, "YYYY-ww", locale="de"), "2027-01")
check("that of de_DE", format_date(day, "YYYY-ww", locale="de_DE"), "2026-53")
for language, country in (("de", "DE"), ("fr", "FR"), ("sv", "SE"), ("nl", "NL"), ("pl", "PL")):
    check(f"days on which {language} differs from ISO", differ(language), 1470)
    check(f"days on which {language}_{country} does", differ(f"{language}_{country}"), 0)
PYTHON
