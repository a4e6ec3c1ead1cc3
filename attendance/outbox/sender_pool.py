"""A small pool of threads that carry messages out, so that slow requests run side by side."""

import queue
import threading
import time
from collections.abc import Callable

Job = Callable[[], object]


class SenderPool:
    """Up to `count` threads, started when first needed. `on_free` is called whenever one can take
    another job.

    They are daemons: any other thread would keep a stopping worker alive. What they leave unsettled
    is left to its lease.
    """

    def __init__(self, count: int, on_free: Callable[[], object] = lambda: None) -> None:
        self._count = count
        self._on_free = on_free
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._busy = 0
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    @property
    def free(self) -> int:
        """How many jobs can start at once, now."""
        with self._changed:
            return self._count - self._busy

    def start(self, job: Job) -> None:
        """Run `job`, which must not raise, in a free thread."""
        with self._changed:
            if len(self._threads) <= self._busy:
                thread = threading.Thread(
                    target=self._work, name=f"sender-{len(self._threads)}", daemon=True
                )
                thread.start()
                self._threads.append(thread)
            self._busy += 1
        self._jobs.put(job)

    def wait_idle(self, timeout_seconds: float) -> bool:
        """Wait until no job runs; False if one still runs at the end."""
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0, timeout_seconds)

    def close(self, timeout_seconds: float) -> None:
        """Let the threads end once their jobs are done."""
        deadline = time.monotonic() + timeout_seconds
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()
                self._on_free()
