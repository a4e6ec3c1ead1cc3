"""When a request is whole, who has waited longest, and who makes room for others."""

import time

import pytest

from attendance.web.body import BODY_LIMIT
from attendance.web.server.arrival import Arrival, state_of
from attendance.web.server.waiting import Room

HEAD = b"POST /attendance HTTP/1.1\r\nHost: a\r\n"


WHOLE, PARTIAL, ODD = Arrival.WHOLE, Arrival.PARTIAL, Arrival.ODD


@pytest.mark.parametrize(
    ("arrived", "state"),
    [
        (b"", PARTIAL),
        (b"\r\n\r\n", PARTIAL),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", PARTIAL),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", WHOLE),
        (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", WHOLE),
        (HEAD + b"Content-Length: 2\r\n\r\n", PARTIAL),
        (HEAD + b"Content-Length: 2\r\n\r\n{", PARTIAL),
        (HEAD + b"Content-Length: 2\r\n\r\n{}", WHOLE),
        (HEAD + b"content-length:2\r\n\r\n{", PARTIAL),
        (HEAD + b"Content-Length: 2\r\n\r\n{}GET / HT", WHOLE),
        (HEAD + b"Content-Length: %d\r\n\r\n" % BODY_LIMIT, PARTIAL),
        # What is refused, or judged by gunicorn's parser, needs no body to be there.
        (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n", ODD),
        (HEAD + b"Content-Length: -1\r\n\r\n", ODD),
        (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", ODD),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", ODD),
        (HEAD + b"Content-Length: %d\r\n\r\n" % (BODY_LIMIT + 1), ODD),
    ],
)
def test_a_thread_gets_a_request_that_it_need_not_wait_for(arrived: bytes, state: Arrival) -> None:
    assert state_of(arrived) is state


def test_the_longest_in_a_room_are_overdue_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    room, ended = Room(20.0, print), []
    for name in ("first", "second", "third"):
        room.add(name)  # type: ignore[arg-type]  # whoever it is
        now += 5
    assert room.longest() == "first"
    assert room.remove("first")  # type: ignore[arg-type]
    assert not room.remove("first")  # type: ignore[arg-type]
    now = 125.0
    ended += room.overdue()
    assert ended == ["second"]
    assert room.everybody() == ["second", "third"]


def test_at_the_stop_nobody_waits_longer_than_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    room = Room(75.0, print)
    room.add("kept")  # type: ignore[arg-type]
    room.hurry(2.0)
    room.add("later")  # type: ignore[arg-type]
    now += 2.0
    assert room.overdue() == ["kept", "later"]
