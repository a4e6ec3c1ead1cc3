"""Which CPU a gunicorn worker runs on.

The threads of a worker take turns at the interpreter's lock: only one of them computes. Spread over
several CPUs each turn wakes another CPU, which costs more than many a turn's work. With as many
workers as CPUs each gets one of its own; with more or fewer the kernel knows better.
"""

import logging
import os
from collections.abc import Collection
from typing import Any

logger = logging.getLogger(__name__)


def assign(server: Any, worker: Any) -> None:
    """Choose the CPU that the fewest workers have: in gunicorn's `pre_fork`, in the master, where
    workers come one after the other. One that replaces another gets what that one had."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    taken = [getattr(other, "cpu", None) for other in server.WORKERS.values()]
    worker.cpu = least_taken(allowed, taken) if len(allowed) == worker.cfg.workers else None


def keep(worker: Any) -> None:
    """Keep this worker on its CPU: in gunicorn's `post_fork`, before it has threads. A sandbox may
    refuse that, or the CPU be gone: gunicorn would take an error for a failed start."""
    if worker.cpu is None:
        return
    try:
        os.sched_setaffinity(0, {worker.cpu})
    except OSError as error:
        logger.info("A worker is not kept to CPU %d: %s", worker.cpu, error)


def least_taken(allowed: Collection[int], taken: Collection[int | None]) -> int:
    """Return the first of the CPUs that are taken least often."""
    counts = list(taken)
    return min(sorted(allowed), key=counts.count)
