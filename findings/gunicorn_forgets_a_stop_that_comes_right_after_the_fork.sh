#!/usr/bin/env bash
# A gunicorn worker that is told to stop before it has handlers of its own does not stop.
#
# With:    gunicorn 27.0.1, its sync and gthread workers;
#          on Python 3.11.7, in December 2026.
# Guessed: TERM or QUIT ends a worker at any moment: by its handler, and before it has one by the
#          kernel's default.
# Seen:    until a worker installs its own handlers it has those of the master, by the fork. They put
#          the signal into the master's queue, of which the worker has a copy that nobody reads: the
#          signal is gone. A master that stops (or reloads) in that moment waits for its whole
#          graceful_timeout, 30 s as it comes, and then kills the worker.
# So:      a worker looks into that copy once it has handlers; here `post_fork` hands it over, and
#          `init_signals` obeys what it finds.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check gunicorn==27.0.1

cat >settings.py <<'SETTINGS'
import time

bind = "unix:socket"
control_socket_disable = True
graceful_timeout = 4


def post_fork(server, worker):
    open("forked", "w").write(str(worker.pid))
    time.sleep(1)


def post_worker_init(worker):
    open("ready", "w").close()


def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]
SETTINGS

env/bin/python - <<'PYTHON'
def check(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        raise SystemExit(f"CHANGED: {what} was {expected}")

import os
import signal
import subprocess
import time
from pathlib import Path

SECONDS = 30


def appears(name):
    deadline = time.monotonic() + SECONDS
    while not Path(name).exists() or not (name == "ready" or Path(name).read_text()):
        if time.monotonic() > deadline:
            raise SystemExit(f"{name} did not appear")
        time.sleep(0.02)


def lives(pid):
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


def started(worker_class, when):
    """A master, and the pid of its worker, right after the fork or once that is ready."""
    for name in ("forked", "ready"):
        Path(name).unlink(missing_ok=True)
    command = ["env/bin/gunicorn", "-c", "settings.py", "-k", worker_class, "settings:app"]
    master = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    appears("forked")
    if when == "ready":
        appears("ready")
        time.sleep(0.5)
    return master, int(Path("forked").read_text())


def lives_on(worker_class, when, number):
    """Whether a worker that was told this is still there a while later."""
    master, worker = started(worker_class, when)
    os.kill(worker, number)
    appears("ready")
    time.sleep(1.5)
    still = lives(worker)
    master.send_signal(signal.SIGTERM)
    master.wait()
    return still


def takes_all_the_time(worker_class, when):
    """Whether a master that is told to stop waits for its whole graceful timeout of 4 s."""
    master, _ = started(worker_class, when)
    began = time.monotonic()
    master.send_signal(signal.SIGTERM)
    master.wait()
    return time.monotonic() - began >= 4


for kind in ("sync", "gthread"):
    for number in (signal.SIGTERM, signal.SIGQUIT):
        name = f"{kind}, {number.name}"
        check(f"{name} when it is ready: it lives on", lives_on(kind, "ready", number), False)
        check(f"{name} after the fork: it lives on", lives_on(kind, "forked", number), True)
    check(f"{kind}, a stop takes all the time", takes_all_the_time(kind, "ready"), False)
    check(f"{kind}, one after the fork does", takes_all_the_time(kind, "forked"), True)
PYTHON
