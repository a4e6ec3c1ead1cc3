"""Connections wait in the worker's loop, and cost a thread only once a whole request is there.

gunicorn's own thread worker gives a new connection to a thread, which waits for its first bytes,
for the rest of its head and then for its body. As many clients as there are threads, who send
nothing or a byte now and then, kept everybody else waiting.
"""

import errno
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn

from attendance.web.body import BODY_LIMIT
from attendance.web.server.answering import AnswerSocket
from attendance.web.server.arrival import Arrival, state_of
from attendance.web.server.stop import OrderlyStop

SILENT_SECONDS = 20.0
"""How long a new connection may say nothing."""

REQUEST_SECONDS = 20.0
"""How long a request may take to arrive, head and body together."""

HEAD_LIMIT = 64 * 1024
_CLOSING_SECONDS = 2.0
_AT_ONCE = 128 * 1024
_CROWDED_SECONDS = 0.001

_TOO_MANY_FILES = {errno.EMFILE, errno.ENFILE}
_END = b"\r\n\r\n"
_CONTINUE = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A connection, with what has arrived of its next request."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.arrived = b""
        self.was_told_to_continue = False
        self.state = Arrival.PARTIAL
        self.data_ready = True  # for gunicorn: a thread does not wait for the first bytes

    def init(self) -> None:
        """Get ready for the thread's parser, which reads on from what has arrived."""
        super().init()
        self.parser.unreader.unread(self.arrived)
        self.arrived = b""
        self.was_told_to_continue = False


class Room:
    """Connections that wait for the same, and for the same time at most; the longest first."""

    def __init__(self, seconds: float, at_the_end: Callable[[Connection], None]) -> None:
        self._seconds, self.at_the_end = seconds, at_the_end
        self._until: dict[Connection, float] = {}

    def add(self, connection: Connection) -> None:
        self._until[connection] = time.monotonic() + self._seconds

    def remove(self, connection: Connection) -> bool:
        """Tell whether it was here."""
        return self._until.pop(connection, None) is not None

    def longest(self) -> Connection | None:
        return next(iter(self._until), None)

    def overdue(self) -> list[Connection]:
        now, found = time.monotonic(), []
        for connection, until in self._until.items():
            if until > now:
                break
            found.append(connection)
        return found

    def everybody(self) -> list[Connection]:
        return list(self._until)

    def hurry(self, seconds: float) -> None:
        """Let nobody wait longer than this, from now on."""
        self._seconds = min(self._seconds, seconds)
        latest = time.monotonic() + self._seconds
        self._until = {one: min(until, latest) for one, until in self._until.items()}


class WaitingWorker(OrderlyStop):
    """A thread worker whose connections wait in its loop.

    A connection is in one of the rooms, or a thread has it. Where the worker has as many as it may,
    the one that has waited longest makes room, and of those first whoever has said nothing yet.
    TLS, which a test of what has arrived cannot look into, is left to gunicorn's own way.
    """

    def init_process(self) -> None:
        self._most: int = self.cfg.worker_connections
        self.worker_connections = 2 * self._most  # gunicorn is never to stop accepting
        self._closing = Room(_CLOSING_SECONDS, self._drop)
        self._silent = Room(SILENT_SECONDS, self._drop)
        self._kept = Room(float(self.cfg.keepalive), self._drop)
        self._begun = Room(REQUEST_SECONDS, self._time_out)
        super().init_process()

    @property
    def _rooms(self) -> Iterator[Room]:
        """In the order in which they are emptied for others."""
        return iter((self._closing, self._silent, self._kept, self._begun))

    def accept(self, listener: Any) -> None:
        if self.cfg.is_ssl:
            super().accept(listener)
            return
        if self.cfg.workers > 1 and self.nr_conns >= self.cfg.threads:
            # A worker with as many connections as threads lets its siblings take a new one first:
            # who wakes first would else take all, and the others stand idle.
            time.sleep(_CROWDED_SECONDS)
        try:
            accepted, client = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in _TOO_MANY_FILES:
                raise
            self._make_room()
            return
        self.nr_conns += 1
        if self.nr_conns > self._most:
            self._make_room()
        sock = AnswerSocket.of(accepted)
        connection = Connection(self.cfg, sock, client, listener.getsockname())
        self._wait(connection, self._silent, self._read)

    def _make_room(self) -> None:
        longest = next(filter(None, (room.longest() for room in self._rooms)), None)
        if longest is not None:
            self._drop(longest)

    def _wait(
        self, connection: Connection, room: Room, then: Callable[[Connection, Any], None]
    ) -> None:
        connection.sock.settimeout(0)
        room.add(connection)
        self.poller.register(connection.sock, EVENT_READ, partial(then, connection))

    def _read(self, connection: Connection, sock: socket.socket) -> None:
        """Take what has arrived, and give the connection to a thread once a request is whole."""
        try:
            received = sock.recv(_AT_ONCE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            received = b""
        if not received:
            self._drop(connection)
            return
        connection.arrived += received
        connection.state = state_of(connection.arrived)
        if connection.state is not Arrival.PARTIAL:
            self._hand_over(connection)
        elif len(connection.arrived) > HEAD_LIMIT + BODY_LIMIT:
            self._refuse(connection, 431, "Request Header Fields Too Large")
        else:
            if self._silent.remove(connection) or self._kept.remove(connection):
                self._begun.add(connection)
            self._tell_to_continue(connection)

    def _hand_over(self, connection: Connection) -> None:
        self._leave(connection)
        if connection.sock.is_read():
            self.enqueue_req(connection)
        else:
            self._end(connection)

    def _tell_to_continue(self, connection: Connection) -> None:
        """Ask for the body of a client that waits until it is asked. That is safe before the head
        is judged: nothing is done with the body yet."""
        head, end, _ = connection.arrived.partition(_END)
        if end and not connection.was_told_to_continue and _CONTINUE.search(head):
            connection.was_told_to_continue = True
            with suppress(OSError):  # whoever has gone is seen to have at the next read
                connection.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def finish_request(self, connection: Connection, future: Any) -> None:
        """Take a connection back from its thread: to wait for its next request, or to end it."""
        if self.cfg.is_ssl:
            super().finish_request(connection, future)
            return
        try:
            is_kept = not future.cancelled() and future.result()
            rest = connection.parser.unreader.take_buffered() if is_kept else b""
        except Exception:  # noqa: BLE001 - whatever it was, gunicorn has logged it
            is_kept, rest = False, b""
        if not is_kept:
            self._close(connection)
        elif not rest:
            self._wait(connection, self._kept, self._read)
        else:
            connection.arrived, connection.state = rest, state_of(rest)
            if connection.state is Arrival.PARTIAL:
                self._wait(connection, self._begun, self._read)
            else:
                self.enqueue_req(connection)

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:  # noqa: FBT001
        """Keep a connection whose request was all there: a thread waits for no rest of a body."""
        may_wait = self.cfg.is_ssl or conn.state is Arrival.WHOLE
        return may_wait and bool(super()._keepalive_after(conn, keepalive))

    def _close(self, connection: Connection) -> None:
        """End our side, and wait in the loop for the client to end its own: closed with something
        unread in it, a connection would lose the end of its answer."""
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._end(connection)
        else:
            connection.arrived = b""
            self._wait(connection, self._closing, self._discard)

    def _discard(self, connection: Connection, sock: socket.socket) -> None:
        try:
            if sock.recv(_AT_ONCE):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass
        self._drop(connection)

    def _leave(self, connection: Connection) -> None:
        self.poller.unregister(connection.sock)
        any(room.remove(connection) for room in self._rooms)

    def _drop(self, connection: Connection) -> None:
        self._leave(connection)
        self._end(connection)

    def _end(self, connection: Connection) -> None:
        self.nr_conns -= 1
        connection.close()

    def _time_out(self, connection: Connection) -> None:
        self._refuse(connection, 408, "Request Timeout")

    def _refuse(self, connection: Connection, status: int, reason: str) -> None:
        self._leave(connection)
        self.refuse(connection.sock, status, reason)
        self._close(connection)

    def refuse(self, sock: socket.socket, status: int, reason: str) -> None:
        """Answer what never reaches the application."""
        raise NotImplementedError

    def murder_keepalived(self, force: bool = False) -> None:  # noqa: FBT001, FBT002
        """End the connections that have waited for too long, or with `force` all that wait."""
        super().murder_keepalived(force)
        for room in self._rooms:
            for connection in room.everybody() if force else room.overdue():
                self._drop(connection) if force else room.at_the_end(connection)

    def _cap_keepalive(self, deadline: float) -> None:
        """At the stop, wait a little for requests that are on the way already, and no longer."""
        super()._cap_keepalive(deadline)
        for connection in self.pending_conns:
            connection.timeout = min(connection.timeout, deadline)
        for room in self._rooms:
            room.hurry(STOP_KEEPALIVE_LINGER)
