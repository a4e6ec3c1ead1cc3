#!/usr/bin/env python3
"""The service's command line: `python manage.py --help`."""

import gc
import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Ctrl-C while modules are loaded is no error to show: the process ends, as by SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# Nothing that is imported is garbage, and looking for some would take a sixth of the time.
gc.disable()
try:
    from attendance.cli import main
except ModuleNotFoundError as error:
    if (error.name or "attendance").startswith("attendance"):
        raise
    sys.exit(
        f"Error: {error.name} is not installed for {sys.executable}: run this with the environment "
        "that has it, as in `.venv/bin/python manage.py`, made as the README says."
    )

gc.freeze()
gc.enable()

if __name__ == "__main__":
    main(prog_name="manage.py")
