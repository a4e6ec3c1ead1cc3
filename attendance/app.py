"""Compose the web process."""

import os

from flask import Flask

from attendance.config import Settings
from attendance.db import Database, schema
from attendance.web import api, pages, problems, request_id
from attendance.web.fast.flask import ApiFlask
from attendance.web.services import Services, install

LARGEST_BODY = 1024 * 1024


def create_app(settings: Settings | None = None) -> Flask:
    """Make the WSGI application, with the environment's settings unless others are given. Of the
    database it only looks at the version.

    Raises:
        ConfigError: a setting is wrong.
        DatabaseError: there is no database, it has not been upgraded, or it was moved away.
    """
    settings = settings or Settings.from_env(os.environ)
    database = Database.at(settings.database_url)
    services = Services(settings, database, clock=database.clock)
    schema.require_open(database)
    app = ApiFlask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    # A route answers only what it declares: Flask's own OPTIONS would answer without JSON.
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    # Nor does it redirect to a tidier address: that answer would be HTML.
    app.url_map.merge_slashes = False
    install(app, services)
    request_id.install(app)
    problems.install(app)
    api.install(app)
    pages.install(app)
    return app
