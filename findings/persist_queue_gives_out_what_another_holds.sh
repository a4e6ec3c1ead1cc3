#!/usr/bin/env bash
# A second process that opens a persist-queue gets what the first has under way.
#
# With:    persist-queue 1.1.0;
#          on Python 3.11.7, in December 2026.
# Guessed: an item that was taken and not yet acknowledged is its taker's, until that one is gone.
# Seen:    SQLiteAckQueue looks after what a crash left when it is opened: with its default
#          auto_resume=True every item under way becomes ready again, whoever holds it, and is
#          given out twice. The first may still acknowledge it while the second works on it. There
#          is no lease and no owner. And ack() finds an item by identity: an equal one (read back
#          from a log, say) is not acknowledged, which is a warning in the log and None.
# So:      a queue for more than one process needs a claim with an owner and an end; here
#          auto_resume=False in all but one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check persist-queue==1.1.0

env/bin/python - <<'PYTHON'
def check(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        raise SystemExit(f"CHANGED: {what} was {expected}")

import subprocess
import sys

from persistqueue import SQLiteAckQueue

SECOND = """
import sys
from persistqueue import SQLiteAckQueue
queue = SQLiteAckQueue("queue", auto_resume=sys.argv[1] == "True")
print(queue.get(block=False))
"""


def second(auto_resume):
    """What another process gets, while this one holds the first of three."""
    command = [sys.executable, "-c", SECOND, str(auto_resume)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


first = SQLiteAckQueue("queue")
for item in ("one", "two", "three"):
    first.put(item)
taken = first.get()
check("the first process takes", taken, "one")
check("one that does not resume takes", second(auto_resume=False), "two")
check("one that is opened as it comes takes", second(auto_resume=True), "one")
same = "".join(["o", "ne"])
check("it acknowledges an equal one", first.ack(same), None)
check("it acknowledges the very one", first.ack(taken), 1)
check("acknowledged, while the other is at it", first.acked_count(), 1)
PYTHON
