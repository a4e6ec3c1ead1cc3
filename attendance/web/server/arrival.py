"""How much of a request has arrived: whether a thread could answer it without waiting for more."""

import re
from enum import Enum, auto

from attendance.web.body import BODY_LIMIT

_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*(?=\r\n)", re.IGNORECASE)
_SAYS_LENGTH = re.compile(rb"\r\ncontent-length", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding", re.IGNORECASE)


class Arrival(Enum):
    """How much of a request is there."""

    PARTIAL = auto()
    WHOLE = auto()
    ODD = auto()
    """A thread can judge it: it will be refused, or its body ends otherwise than by a length."""


def state_of(arrived: bytes) -> Arrival:
    """Judge what has arrived since the last request."""
    head, end, body = arrived.lstrip(b"\r\n").partition(_END)
    if not end:
        return Arrival.PARTIAL
    wanted = _length(head)
    if wanted is None or wanted > BODY_LIMIT:
        return Arrival.ODD
    return Arrival.WHOLE if len(body) >= wanted else Arrival.PARTIAL


def _length(head: bytes) -> int | None:
    """Return how long the body is to be, 0 where nothing is said of one. None where the head says
    it in another way, or does so twice: gunicorn's parser judges that."""
    if _CHUNKED.search(head):
        return None
    said = len(_SAYS_LENGTH.findall(head))
    if said == 0:
        return 0
    lengths = _LENGTH.findall(head + b"\r\n")
    return int(lengths[0]) if said == len(lengths) == 1 else None
