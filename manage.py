#!/usr/bin/env python3
"""The service's command line: `python manage.py --help`."""

from attendance.cli import main

if __name__ == "__main__":
    main(prog_name="manage.py")
