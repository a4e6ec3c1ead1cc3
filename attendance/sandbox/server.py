"""The sandbox as tests and `manage.py sandbox` use it: start it, ask it, misuse it, stop it."""

import threading
from functools import partial
from types import TracebackType
from typing import Self

from attendance.sandbox.bot_api import DEFAULT_TOKEN
from attendance.sandbox.connections import ConnectionServer
from attendance.sandbox.handler import Handler
from attendance.sandbox.limits import Rate
from attendance.sandbox.play import Play

_JOIN_SECONDS = 5.0


class Sandbox(Play):
    """A Bot API server on this machine, from `start` to `stop` or as a context manager.

    `port` 0 takes a free one. A limit is (requests, seconds) and off by default: over all chats,
    for each private chat, for each group or channel.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        token: str = DEFAULT_TOKEN,
        limit_overall: Rate | None = None,
        limit_chat: Rate | None = None,
        limit_group: Rate | None = None,
    ) -> None:
        super().__init__(
            token=token,
            limit_overall=limit_overall,
            limit_chat=limit_chat,
            limit_group=limit_group,
        )
        self._address = (host, port)
        self._server: ConnectionServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Listen, and serve in threads of its own. Raises OSError where the port is taken."""
        self.stopping.clear()
        self._server = ConnectionServer(self._address, partial(Handler, self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="sandbox", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """End all connections, also those that wait in a fault, and close the port."""
        if self._server is None or self._thread is None:
            return
        self.stopping.set()
        self._server.shutdown()
        self._thread.join(_JOIN_SECONDS)
        self._server.end_connections()
        self._server.server_close()
        self._address = (self._address[0], self.port)
        self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """Return the port it listens on; after a stop it is the same one again."""
        return self._server.server_address[1] if self._server else self._address[1]

    @property
    def url(self) -> str:
        """Return what TELEGRAM_API_BASE is to be set to."""
        return f"http://{self._address[0]}:{self.port}"
