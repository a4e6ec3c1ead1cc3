"""`python -m attendance.cli`, as `manage.py` without a checkout."""

from attendance.cli import main

main(prog_name="attendance")
