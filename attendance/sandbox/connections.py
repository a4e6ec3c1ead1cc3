"""A threading HTTP server that knows its connections, so that it can reset or end them."""

import contextlib
import socket
import struct
import sys
import threading
from http.server import ThreadingHTTPServer

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # linger on, for no time at all
_END_SECONDS = 5.0

Connection = socket.socket | tuple[bytes, socket.socket]  # as the standard library types it


def reset_on_close(connection: socket.socket) -> None:
    """Have the kernel send RST instead of FIN when the server closes this connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


class ConnectionServer(ThreadingHTTPServer):
    """Serves each connection in a daemon thread, and can end them all at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *args: object, **kwargs: object) -> None:
        self._connections: set[Connection] = set()
        self._changed = threading.Condition()
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def process_request(self, request: Connection, client_address: object) -> None:
        with self._changed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Connection) -> None:
        """Close a connection; one that is to be reset must not say goodbye first."""
        if _is_reset_on_close(request):
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def close_request(self, request: Connection) -> None:
        super().close_request(request)
        with self._changed:
            self._connections.discard(request)
            self._changed.notify_all()

    def end_connections(self) -> None:
        """Wake every handler by ending its connection, and wait until all are closed."""
        with self._changed:
            for connection in self._connections:
                if isinstance(connection, socket.socket):
                    with contextlib.suppress(OSError):  # it has ended by itself
                        connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._connections, _END_SECONDS)

    def handle_error(self, request: Connection, client_address: object) -> None:
        """Ignore a client that left in the middle of a request; show everything else."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _is_reset_on_close(connection: Connection) -> bool:
    if not isinstance(connection, socket.socket):
        return False
    linger = connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(_RESET_ON_CLOSE))
    return linger == _RESET_ON_CLOSE
