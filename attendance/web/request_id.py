"""The id of a request: given when it arrives, told in the answer, kept with all that it wrote."""

import random
import re
from datetime import datetime

from flask import Flask, Response, g, request

from attendance.config.secrets import redact
from attendance.web.services import services

_SANE_ID = re.compile("[A-Za-z0-9._-]{1,64}")


def install(app: Flask) -> None:
    """Give every request an id, the client's own if it sent a sane one, and return it in the
    answer, with the headers that every answer has."""

    @app.before_request
    def identify() -> None:
        given, now = request.headers.get("X-Request-Id", ""), services().clock()
        g.echoed_id = given if _SANE_ID.fullmatch(given) else _new_id(now)
        # A client may have put its key there by mistake: what is kept for ever is struck out. Not
        # what it gets back: the difference would confirm a guess of a secret.
        g.request_id = redact(g.echoed_id)
        g.started_at = now

    # One hook for all of these headers: Flask pays for each hook at each request.
    @app.after_request
    def tell(response: Response) -> Response:
        headers = response.headers
        headers.add("X-Request-Id", g.echoed_id)
        headers.add("X-Content-Type-Options", "nosniff")
        headers.setdefault("Cache-Control", "no-store")
        if allowance := g.get("allowance"):
            headers.add("RateLimit-Policy", allowance.policy)
            headers.add("RateLimit", allowance.limit)
        return response


def _new_id(now: datetime) -> str:
    """The milliseconds since 1970 in 12 hexadecimal digits, then 20 random ones.

    Ids that follow each other lie side by side in the index on them. If they were all random, each
    would change a page of its own.
    """
    return f"{int(now.timestamp() * 1000):012x}{random.getrandbits(80):020x}"
