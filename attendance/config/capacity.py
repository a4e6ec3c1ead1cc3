"""How much one process does at the same time, and what that takes: one equation.

READERS     = THREADS + SENDERS
CONNECTIONS = READERS + DISPATCHING + SPARE
"""

THREADS = 8
"""Threads that serve HTTP, in each gunicorn worker."""

STREAMS = THREADS // 4
"""Of these, threads that may be busy with an answer that is made while it is sent: a client that
takes an export slowly has its thread for as long as that lasts, and others want to post."""

SENDERS = 16
"""Threads that carry messages out. At 300 ms a request, 30 a second take nine of them; the others
are for when Telegram is slow."""

READERS = THREADS + SENDERS
"""Connections to SQLite that only read: each thread that serves or sends may need one at the same
time. Writing takes none of them: all writes go through one more connection."""

DISPATCHING = 2
"""The dispatcher's own thread, and the thread of its probes."""

SPARE = 2
"""For what a process does besides all these, such as the notes of its start and its stop."""

CONNECTIONS = READERS + DISPATCHING + SPARE
"""The most that one process opens to a PostgreSQL server. There each write needs one, too; but no
transaction is open during a request to Telegram, so a few are enough most of the time."""
