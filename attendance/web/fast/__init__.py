"""What only speed asks for, on the way of a request.

The service does the same without any of it: `tests/web/fast/` shows that for each module.
"""
