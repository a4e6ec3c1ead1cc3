"""The response that most answers are: JSON, in one piece."""

from typing import Any

from flask import Response
from werkzeug.datastructures import Headers


class JsonResponse(Response):
    """Its headers are whole when it is made: the length is known, and our addresses are ASCII.
    Werkzeug, which finds this out anew for each answer, need not."""

    default_mimetype = "application/json"

    def get_wsgi_headers(self, environ: Any) -> Headers:  # noqa: ARG002 - Werkzeug's signature
        return self.headers
