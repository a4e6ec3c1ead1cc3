"""Flask without what it sees to at each request for services that need it, and this one does not:
asynchronous handlers, sessions, names of hosts, hooks of blueprints."""

from collections.abc import Callable
from typing import Any, ClassVar

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface, SessionMixin
from werkzeug.routing import MapAdapter

_NO_SESSION = NullSession()


class _NoSessions(SessionInterface):
    def open_session(self, app: Flask, request: Request) -> SessionMixin:  # noqa: ARG002 - Flask's
        return _NO_SESSION


class _ApiRequest(Request):
    blueprints: ClassVar[list[str]] = []
    """Those whose hooks are to be looked for: all hooks are the application's own."""


class ApiFlask(Flask):
    """Its addresses are the same under whatever name the host is called by."""

    request_class = _ApiRequest
    session_interface = _NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        if request is None:
            return super().create_url_adapter(request)
        return self.url_map.bind("", path_info=request.path, default_method=request.method)
