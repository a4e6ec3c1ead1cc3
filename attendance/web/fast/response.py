"""The response that most answers are: JSON, in one piece."""

from typing import Any

from flask import Response
from werkzeug.datastructures import Headers


class JsonResponse(Response):
    """A response whose headers are complete when it is made: the length is known, and our
    addresses are ASCII, so that Werkzeug need not find that out anew for each answer."""

    default_mimetype = "application/json"

    def get_wsgi_headers(self, environ: Any) -> Headers:  # noqa: ARG002 - Werkzeug's signature
        return self.headers
