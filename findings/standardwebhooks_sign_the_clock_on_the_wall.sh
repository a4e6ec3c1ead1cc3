#!/usr/bin/env bash
# Standard Webhooks' Python library signs an aware time as if its wall clock showed UTC.
#
# With:    standardwebhooks 1.1.0, tzdata 2026.6;
#          on Python 3.11.7, in December 2026.
# Guessed: sign(id, time, text) signs the moment that an aware datetime stands for.
# Seen:    it replaces the zone by UTC instead of converting to it. A time in Berlin is signed one
#          or two hours late, one in Kolkata five and a half: the signature fits no header that the
#          receiver accepts, as the true time has another signature and the signed one is too new.
#          With UTC, and with a naive time in UTC, all is well, so tests on servers see nothing.
# So:      sign with datetime.now(UTC), whatever the zone of the record.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check standardwebhooks==1.1.0 typing_extensions==4.16.0 tzdata==2026.6

env/bin/python - <<'PYTHON'
def check(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        raise SystemExit(f"CHANGED: {what} was {expected}")

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from standardwebhooks import Webhook

webhook = Webhook("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


def verified(zone, header):
    """What a receiver says who reads the time `header` makes of ours."""
    now = datetime.now(ZoneInfo(zone))
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(header(now).timestamp())),
        "webhook-signature": webhook.sign("msg_1", now, "{}"),
    }
    try:
        webhook.verify("{}", headers)
    except Exception as error:
        return str(error)
    return "verified"


def true(now):
    return now


def on_the_wall(now):
    return now.replace(tzinfo=UTC)


check("UTC", verified("UTC", true), "verified")
for zone in ("Europe/Berlin", "Asia/Kolkata"):
    check(f"{zone}, the true time", verified(zone, true), "No matching signature found")
    check(f"{zone}, as signed", verified(zone, on_the_wall), "Message timestamp too new")
PYTHON
