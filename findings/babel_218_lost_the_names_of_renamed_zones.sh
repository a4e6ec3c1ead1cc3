#!/usr/bin/env bash
# Babel 2.18 has no name any more for zones whose IANA name was changed, India's among them.
#
# With:    Babel 2.18.0 beside 2.17.0, tzdata 2026.6;
#          on Python 3.11.7, in December 2026.
# Guessed: a minor release knows the zones that the one before knew.
# Seen:    get_timezone_name says "India Standard Time" in 2.17.0 and "GMT+05:30" in 2.18.0; so it
#          is with Kyiv, Buenos Aires, Ho Chi Minh City, Kathmandu, Yangon and Indianapolis. Both
#          look the names up under the old identifier (Asia/Calcutta): 2.17.0 turns the new one
#          into it first, 2.18.0 the old one into the new. Asking by the old name does not help.
# So:      a message that names its zone is tested with a renamed one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check tzdata==2026.6

PYTHONTZPATH='' env/bin/python - <<'PYTHON'
import os
import subprocess
import sys

SCRIPT = """
from datetime import datetime
from zoneinfo import ZoneInfo
from babel.dates import get_timezone_name
for zone in "Asia/Kolkata Asia/Calcutta Europe/Kyiv Asia/Kathmandu Europe/Berlin Asia/Tokyo".split():
    then = datetime(2026, 12, 15, 9, tzinfo=ZoneInfo(zone))
    print(f"{zone} = {get_timezone_name(then, locale='en')}")
"""
BEFORE = """Asia/Kolkata = India Standard Time
Asia/Calcutta = India Standard Time
Europe/Kyiv = Eastern European Standard Time
Asia/Kathmandu = Nepal Time
Europe/Berlin = Central European Standard Time
Asia/Tokyo = Japan Standard Time
"""
AFTER = """Asia/Kolkata = GMT+05:30
Asia/Calcutta = GMT+05:30
Europe/Kyiv = GMT+02:00
Asia/Kathmandu = GMT+05:45
Europe/Berlin = Central European Standard Time
Asia/Tokyo = Japan Standard Time
"""
for version, expected in (("2.17.0", BEFORE), ("2.18.0", AFTER)):
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, f"Babel=={version}"], check=True)
    seen = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=os.environ
    ).stdout
    print(f"Babel {version}:\n{seen}")
    if seen != expected:
        raise SystemExit(f"CHANGED: Babel {version} said\n{expected}")
PYTHON
