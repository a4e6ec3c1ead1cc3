"""Sessions for the pages alone: the API reads no cookie and sets none.

Flask opens the session before it looks for the route, so the path has to tell whether it is a
page's: `PagePaths` knows those of all pages.
"""

from collections.abc import Iterable

from flask import Flask, Request
from flask.sessions import NullSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import URLSafeTimedSerializer
from werkzeug.routing import Rule

from attendance.web.services import services

NO_SESSION = NullSession()


class PagePaths:
    """The paths of the blueprint `name`, gathered once from the routes of an application."""

    def __init__(self, rules: Iterable[Rule], name: str) -> None:
        self._whole: set[str] = set()
        beginnings, others = set(), set()
        for rule in rules:
            fixed, parameter, _ = rule.rule.partition("<")
            if not rule.endpoint.startswith(f"{name}."):
                others.add(fixed)
            elif parameter:
                beginnings.add(fixed)
            else:
                self._whole.add(fixed)
        self._beginnings = tuple(beginnings)
        if taken := sorted(path for path in others if path in self):
            raise ValueError(f"{taken[0]} lies among the pages, and is none of them")

    def __contains__(self, path: str) -> bool:
        return path in self._whole or path.startswith(self._beginnings)


class PageSessions(SecureCookieSessionInterface):
    """Flask's sessions, signed with the key that the services share."""

    def __init__(self, app: Flask, name: str) -> None:
        self.paths = PagePaths(app.url_map.iter_rules(), name)

    def open_session(self, app: Flask, request: Request) -> SessionMixin | None:  # type: ignore[override]  # Flask's promises its own class
        return super().open_session(app, request) if request.path in self.paths else NO_SESSION

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        # Asked for by the first page, and not at the start: to make the key is to write.
        app.secret_key = app.secret_key or services().signing_key()
        return super().get_signing_serializer(app)
