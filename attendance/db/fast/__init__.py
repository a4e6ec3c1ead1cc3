"""What only speed asks for, on the way to the database.

The service does the same without any of it: `tests/db/fast/` shows that for each module.
"""
