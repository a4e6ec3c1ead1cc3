"""Sessions with the Bot API, in which every step ends at the current deadline.

A timeout of `requests` starts anew with each read, so a server that drips could hold us forever.
The connections here set the socket's timeout to what is left of the deadline before each step, and
what fails before the request is written is raised as `NotSent`. May import `config.secrets`, and
`deadline` and `errors` of this package.
"""

import http.client
import io
import json
import logging
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from threading import Thread
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidProxyURL
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from attendance.config.secrets import redact
from attendance.telegram.deadline import seconds_left
from attendance.telegram.errors import not_sent

# A server closes idle connections when it likes; the longer one was idle, the likelier our next
# request crosses with that close and ends uncertain.
LONGEST_IDLE_SECONDS = 20.0

_Send = Callable[..., requests.Response]
_encode = json.JSONEncoder(allow_nan=False).encode
_TALKATIVE = ("connection", "connectionpool", "poolmanager", "response", "util.retry")


def open_session() -> requests.Session:
    """Open a session for one thread, which neither retries nor keeps cookies of its own accord.

    HTTP_PROXY, HTTPS_PROXY and NO_PROXY are obeyed, and REQUESTS_CA_BUNDLE replaces the known
    authorities. ~/.netrc is not read: its default entry would add a header with a password.
    """
    session = requests.Session()
    session.auth = _no_auth  # with one set, requests does not look into ~/.netrc
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


class BotSession:
    """A session of one thread that posts JSON. What `requests` works out for an address, and reads
    from the environment, is worked out once; what it does about cookies, redirects and hooks is
    left out. At each request, that was half of all its work."""

    def __init__(self) -> None:
        self._session = open_session()
        self._prepared: dict[str, tuple[requests.PreparedRequest, _Send]] = {}

    def post(
        self, url: str, payload: dict[str, Any], timeout: tuple[float, float]
    ) -> requests.Response:
        """Post `payload` and return the answer, whose body is still to be read. `timeout` is to
        connect and to read, in seconds. Raises RequestException, and what `requests` lets
        through: NotSent, OSError, and urllib3's HTTPError."""
        if url not in self._prepared:
            self._prepared[url] = self._prepare(url)
        request, send = self._prepared[url]
        request.body = _encode(payload).encode()
        request.headers["Content-Length"] = str(len(request.body))
        return send(request, timeout=timeout)

    def close(self) -> None:
        """Close the idle connection; the session stays usable."""
        self._session.close()

    def _prepare(self, url: str) -> tuple[requests.PreparedRequest, _Send]:
        request = self._session.prepare_request(requests.Request("POST", url, json={}))
        settings = self._session.merge_environment_settings(
            url, proxies={}, stream=True, verify=None, cert=None
        )
        send: Any = self._session.get_adapter(url).send
        return request, partial(send, **settings)


def keep_urls_out_of_logs() -> None:
    """Redact the token in what urllib3 logs, whatever the handlers; may be called repeatedly."""
    for name in _TALKATIVE:
        logging.getLogger(f"urllib3.{name}").addFilter(_redacted)


def _redacted(record: logging.LogRecord) -> bool:
    record.msg, record.args = redact(record.getMessage()), ()
    record.exc_info = record.exc_text = None  # a traceback could hold the URL, too
    return True


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class _Reader(io.RawIOBase):
    """A reader of a socket, whose every read has no more time than is left."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._sock = raw, sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(seconds_left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _Response
    _used_at = 0.0

    def connect(self) -> None:
        """Resolve, connect, pass the proxy and TLS, all within one connect timeout. Raises NotSent.

        In a thread, since name resolution has no timeout; if it is late, it closes what it opened.
        """
        connecting: Future[None] = Future()
        context = copy_context()
        work = super().connect
        try:
            seconds = min(self.timeout or 0.0, seconds_left())
            Thread(target=context.run, args=(_fulfil, connecting, work), daemon=True).start()
            connecting.result(seconds)
        except Exception as error:  # noqa: BLE001  (whatever it was, nothing has been written)
            connecting.add_done_callback(lambda _: self.close())
            raise not_sent(error) from None

    def send(self, data: Any) -> None:
        if self.is_closed:
            self.connect()
        self.sock.settimeout(seconds_left())
        super().send(data)
        self._used_at = time.monotonic()

    @property
    def is_connected(self) -> bool:
        """Tell urllib3 whether to use this connection again: not if it was idle for long."""
        idle = time.monotonic() - self._used_at
        return idle < LONGEST_IDLE_SECONDS and super().is_connected


def _fulfil(future: "Future[None]", work: Callable[[], None]) -> None:
    try:
        work()
        future.set_result(None)
    except BaseException as error:  # noqa: BLE001  (handed over, not swallowed)
        future.set_exception(error)


class _SecureConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    """An adapter that works out once for a URL what `requests` works out for each request."""

    def __init__(self) -> None:
        self._pools: dict[str, Any] = {}
        self._targets: dict[str, str] = {}
        super().__init__(max_retries=0)

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> Any:
        url = str(request.url)
        if (pool := self._pools.get(url)) is None:
            pool = super().get_connection_with_tls_context(request, *args, **kwargs)
            self._pools[url] = pool
        return pool

    def request_url(self, request: requests.PreparedRequest, *args: Any) -> str:
        url = str(request.url)
        if url not in self._targets:
            self._targets[url] = super().request_url(request, *args)
        return self._targets[url]

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Build a response without cookies, and without an encoding: nobody reads it as text."""
        response = requests.Response()
        response.status_code, response.headers, response.raw = resp.status, resp.headers, resp
        response.request = req
        return response

    def close(self) -> None:
        super().close()
        self._pools.clear()  # they would keep their connections open

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if proxy.lower().startswith("socks"):
            raise InvalidProxyURL("SOCKS proxies are not supported")
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


_POOLS = {"http": _Pool, "https": _SecurePool}
