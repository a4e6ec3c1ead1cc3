#!/usr/bin/env python3
"""The service's command line: `python manage.py --help`."""

import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Ctrl-C while modules are loaded is no error to show: the process ends, as by SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

try:
    from attendance.cli import main
except ModuleNotFoundError as error:
    if (error.name or "attendance").startswith("attendance"):
        raise
    sys.exit(
        f"Error: {error.name} is not installed for {sys.executable}: run this with the environment "
        "that has it, as in `.venv/bin/python manage.py`, made as the README says."
    )

if __name__ == "__main__":
    main(prog_name="manage.py")
