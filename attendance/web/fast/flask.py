"""Flask without the work at each request that the API has no use for: asynchronous handlers,
sessions, host names, and the hooks of blueprints.

Pages keep all of that but the asynchronous handlers.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from flask import Flask, Request
from flask.ctx import RequestContext
from werkzeug.routing import MapAdapter

from attendance.web.pages.sessions import NO_SESSION, PageSessions

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class _ApiRequest(Request):
    blueprints: ClassVar[list[str]] = []
    """The blueprints whose hooks and error handlers are to be looked for: the API has those of the
    application alone."""


class ApiFlask(Flask):
    """A Flask whose addresses are the same under whatever name the host is called by."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func

    def request_context(self, environ: "WSGIEnvironment") -> RequestContext:
        # Werkzeug, too, takes any number of slashes at the beginning for one.
        path = "/" + environ.get("PATH_INFO", "").lstrip("/")
        sessions = self.session_interface
        if isinstance(sessions, PageSessions) and path in sessions.paths:
            return super().request_context(environ)
        request = _ApiRequest(environ)
        request.json_module = self.json
        return RequestContext(self, environ, request, NO_SESSION)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        if isinstance(request, _ApiRequest):
            return self.url_map.bind("", path_info=request.path, default_method=request.method)
        return super().create_url_adapter(request)
