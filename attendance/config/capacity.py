"""How much one process does at the same time, and what that takes: one equation.

READERS     = THREADS + SENDERS
CONNECTIONS = READERS + DISPATCHING + SPARE
"""

THREADS = 8
"""That serve HTTP, of each gunicorn worker."""

SENDERS = 16
"""That carry messages out. At 300 ms a request, 30 a second take nine of them; the others are for
when Telegram is slow."""

READERS = THREADS + SENDERS
"""Connections to SQLite that only read: each thread that serves or sends may need one at the same
time. Writing takes none of them: all writes go through one more connection."""

DISPATCHING = 2
"""The dispatcher's own thread, and that of its probes."""

SPARE = 2
"""For what a process does beside all these, such as the notes of its start and its stop."""

CONNECTIONS = READERS + DISPATCHING + SPARE
"""To a PostgreSQL server, of one process at most. There each write needs one, too; but no
transaction is open during a request to Telegram, so that most of the time a few suffice."""
