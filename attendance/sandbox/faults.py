"""Misbehaviour on request: what may go wrong between a sender and Telegram, one kind each."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields

KINDS = {
    "answer": "another status and body",
    "retry_after": "429 with the seconds to wait",
    "delay": "the usual answer, late",
    "drop": "a reset connection",
    "cut": "an answer that ends too early",
    "drip": "an answer byte by byte",
    "huge": "an answer of many megabytes",
    "redirect": "a redirect",
}
_UNDELIVERED = frozenset({"answer", "retry_after", "drop", "redirect"})
_NEEDED = {
    "answer": "status",
    "retry_after": "seconds",
    "delay": "delay_seconds",
    "drip": "interval_seconds",
    "redirect": "location",
}


class BadFault(ValueError):
    """The definition of a fault is wrong; the message names the field and the remedy."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of misbehaviour, and which requests meet it.

    It applies to the next `times` requests of `method` (None: to all from now on), of `chat_id`
    or of every chat. `delivered` says whether the message is recorded: True before the delay,
    "late" after it. `delay_seconds` pass before the answer of any kind. The further fields
    belong to one kind each: `status, body, content_type, headers` to an answer, `seconds` to
    retry_after, `bytes` to cut (None: half) and huge, `interval_seconds` and `part` (headers or
    body) to drip, `location` and `status` to redirect.
    """

    kind: str
    method: str = "sendMessage"
    chat_id: str | None = None
    times: int | None = 1
    delivered: bool | str = False
    delay_seconds: float = 0.0
    status: int = 302
    body: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] | None = None
    seconds: int = 0
    bytes: int | None = None
    interval_seconds: float = 0.0
    part: str = "body"
    location: str = ""

    def as_json(self) -> dict[str, object]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def meets(self, method: str, chat_id: str) -> bool:
        return self.method.lower() == method.lower() and self.chat_id in {None, chat_id}


def read_fault(definition: Mapping[str, object]) -> Fault:
    """Return the fault that JSON or keyword arguments define. Raises BadFault with a sentence."""
    kind = definition.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise BadFault(f"kind: {kind!r} is none of {', '.join(KINDS)}.")
    for name, value in definition.items():
        _check(name, value)
    needed = _NEEDED.get(kind)
    if needed and needed not in definition:
        raise BadFault(f"{needed}: a fault of the kind {kind} needs it.")
    values: dict[str, object] = {"delivered": kind not in _UNDELIVERED, **definition}
    if values.get("chat_id") is not None:
        values["chat_id"] = str(values["chat_id"])
    return Fault(**values)  # type: ignore[arg-type] # every value was checked above


def _check(name: str, value: object) -> None:
    if name not in _RULES:
        raise BadFault(f"{name}: there is no such field; known are {', '.join(_RULES)}.")
    accepts, expected = _RULES[name]
    if not accepts(value):
        raise BadFault(f"{name}: {value!r} is not {expected}.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 3600


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_headers(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(part, str) and "\n" not in part and "\r" not in part
        for pair in value.items()
        for part in pair
    )


_RULES = {
    "kind": (_is_text, "a text"),
    "method": (_is_text, "a method's name"),
    "chat_id": (lambda v: v is None or isinstance(v, str | int), "a chat's id or null"),
    "times": (lambda v: v is None or _is_count(v), "a number from 1, or null for all"),
    "delivered": (lambda v: isinstance(v, bool) or v == "late", 'true, false or "late"'),
    "delay_seconds": (_is_number, "a number of seconds from 0 to 3600"),
    "status": (lambda v: _is_count(v) and 200 <= int(str(v)) <= 599, "a status from 200 to 599"),
    "body": (_is_text, "a text"),
    "content_type": (lambda v: _is_text(v) and _is_headers({"": v}), "a text of one line"),
    "headers": (_is_headers, "an object of texts of one line"),
    "seconds": (_is_count, "a number of seconds from 1"),
    "bytes": (lambda v: v is None or _is_count(v), "a number of bytes from 1, or null"),
    "interval_seconds": (_is_number, "a number of seconds from 0 to 3600"),
    "part": (lambda v: v in ("headers", "body"), "headers or body"),
    "location": (lambda v: _is_text(v) and _is_headers({"": v}), "an address"),
}


class Faults:
    """The faults that still wait for requests, the oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[Fault, int | None]] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._waiting.append((fault, fault.times))

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def take(self, method: str, chat_id: str) -> Fault | None:
        """Return the fault that this request meets, and use up one of its `times`."""
        with self._lock:
            for at, (fault, left) in enumerate(self._waiting):
                if fault.meets(method, chat_id):
                    self._use(at, fault, left)
                    return fault
        return None

    def waiting(self) -> list[Fault]:
        with self._lock:
            return [fault for fault, _ in self._waiting]

    def as_json(self) -> list[dict[str, object]]:
        """Return the waiting faults, with the number of `times` that is left."""
        with self._lock:
            return [{**fault.as_json(), "times": left} for fault, left in self._waiting]

    def _use(self, at: int, fault: Fault, left: int | None) -> None:
        if left == 1:
            del self._waiting[at]
        elif left is not None:
            self._waiting[at] = (fault, left - 1)
