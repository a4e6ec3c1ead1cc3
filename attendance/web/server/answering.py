"""The socket of a connection: a client has to take what it has asked for.

A thread that sends waits for the client. Without a limit, a client that reads nothing, or a little
now and then, has that thread for as long as it likes.
"""

import array
import errno
import fcntl
import logging
import socket
import struct
import termios
from typing import Any, Self

logger = logging.getLogger(__name__)

PIECE_BYTES = 64 * 1024
PIECE_SECONDS = 20
"""How long a client may take for each piece of an answer, and to send what a thread waits for."""

_UNREAD_BYTES = 256 * 1024
_TIMEOUT = struct.pack("ll", PIECE_SECONDS, 0)


class AnswerSocket(socket.socket):
    """A socket that gives up a client that takes less than a piece of its answer in the time."""

    @classmethod
    def of(cls, accepted: socket.socket) -> Self:
        """Take the connection over from `accepted`."""
        made = cls(accepted.family, accepted.type, accepted.proto, accepted.detach())
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEOUT)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEOUT)
        return made

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it, a piece at a time.

        Raises:
            BrokenPipeError: the client did not take a piece in its time.
        """
        rest = memoryview(data)
        while rest:
            piece = rest[:PIECE_BYTES]
            if self._send(piece, flags) < len(piece):
                logger.warning("A client took too little of its answer in %d s", PIECE_SECONDS)
                raise BrokenPipeError(errno.EPIPE, "The client does not take its answer")
            rest = rest[PIECE_BYTES:]

    def _send(self, piece: memoryview, flags: int) -> int:
        """Send what the client takes in the time. A socket that blocks sends less only then."""
        try:
            return self.send(piece, flags)
        except BlockingIOError:
            return 0

    def is_read(self) -> bool:
        """Tell whether the client reads its answers: not where much of them is still on the way."""
        unsent = array.array("i", [0])
        try:
            fcntl.ioctl(self, termios.TIOCOUTQ, unsent)
        except OSError:
            return True
        return unsent[0] <= _UNREAD_BYTES
