"""Rate limits, as sliding windows over the starts of the requests that were let through."""

import math
import threading
from bisect import bisect_right, insort
from collections import defaultdict, deque

Rate = tuple[int, float]

# Threads may ask in another order than their requests began in, by less than this.
_DISORDER_SECONDS = 1.0


class Window:
    """At most `count` starts in any `seconds`, both ends of the window included once."""

    def __init__(self, rate: Rate) -> None:
        self.count, self.seconds = rate
        self.starts: deque[float] = deque()

    def wait(self, now: float) -> float:
        """Return the seconds from `now` until a start is allowed; 0 if it is allowed now."""
        while self.starts and self.starts[0] <= now - self.seconds - _DISORDER_SECONDS:
            self.starts.popleft()
        within = len(self.starts) - bisect_right(self.starts, now - self.seconds)
        if within < self.count:
            return 0.0
        return self.starts[-self.count] + self.seconds - now

    def add(self, start: float) -> None:
        insort(self.starts, start)


class Limits:
    """The bot's limit, and one for each private chat and each group or channel."""

    def __init__(
        self, overall: Rate | None = None, chat: Rate | None = None, group: Rate | None = None
    ) -> None:
        self._lock = threading.Lock()
        self.set(overall, chat, group)

    def set(self, overall: Rate | None, chat: Rate | None, group: Rate | None) -> None:
        """Replace all limits and forget what they have counted; None lifts one."""
        with self._lock:
            self.rates = {"overall": overall, "chat": chat, "group": group}
            self._windows: defaultdict[str, dict[str, Window]] = defaultdict(dict)

    def refuse(self, chat_id: str, now: float) -> int:
        """Count a start at `now` and answer 0, or count nothing and answer seconds to wait.

        Seconds are whole and rounded up, as in Telegram's `retry_after`.
        """
        with self._lock:
            windows = [*self._windows_of(chat_id)]
            wait = max((window.wait(now) for window in windows), default=0.0)
            if wait > 0:
                return math.ceil(wait)
            for window in windows:
                window.add(now)
            return 0

    def _windows_of(self, chat_id: str) -> list[Window]:
        kind = "group" if chat_id.startswith(("-", "@")) else "chat"
        keys = (("overall", ""), (kind, chat_id))
        return [
            self._windows[name].setdefault(key, Window(rate))
            for name, key in keys
            if (rate := self.rates[name]) is not None
        ]
