"""The pages: HTML for people with a browser, who have a session instead of a key.

There are none yet. The first one brings its folders `templates/` and `static/` along. A page is a
module here whose routes are those of `blueprint`, and that `install` imports before it registers
that. Everything that is none of its routes is the API's, or an unknown address, and
knows neither sessions nor HTML.
"""

from flask import Blueprint, Flask, Response
from markupsafe import escape

from attendance.web.pages.sessions import PageSessions
from attendance.web.problems import logged_problem_of

blueprint = Blueprint("pages", __name__)

_ERROR = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<h1>{title}</h1>
<p>{detail}</p>
"""


@blueprint.errorhandler(Exception)
def show(error: Exception) -> Response:
    """Show a person what the API would tell a program: the same problem, in HTML."""
    problem = logged_problem_of(error)
    text = _ERROR.format(title=escape(problem.title), detail=escape(problem.detail))
    response = Response(text, problem.status)
    response.headers.update(problem.headers)
    return response


def install(app: Flask) -> None:
    """Add the pages to the app, after the API: its addresses must be known."""
    app.register_blueprint(blueprint)
    app.session_interface = PageSessions(app, blueprint.name)
