"""Every way a request can go wrong, as RFC 9457 problem details. No client of the API ever gets
HTML.

One table from exception to status and code, one function that renders it.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from werkzeug.exceptions import HTTPException

from attendance.db import Damaged, Denied, Moved, Replaced, TooBusy, Unavailable
from attendance.records.corrections import (
    AlreadyCorrected,
    NoSuchRecord,
    NothingToAmend,
    NotYourRecord,
    TooLate,
)
from attendance.records.idempotency import KeyReused
from attendance.records.recording import ClientEventConflict
from attendance.web.fast.response import JsonResponse

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_TYPE_PREFIX = "urn:problem-type:attendance:"
_LONGEST_STEP = 64
_MOST_ERRORS = 100


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `pointer` is an RFC 6901 JSON pointer into the body, or the
    name of a query parameter."""

    pointer: str
    code: str
    detail: str

    def as_dict(self) -> dict[str, str]:
        return {"pointer": self.pointer, "code": self.code, "detail": self.detail}


class Problem(Exception):
    """An answer that is not a success. `detail` is for the person who has to mend the request."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.errors, self.headers = errors, headers or {}

    @property
    def title(self) -> str:
        return HTTPStatus(self.status).phrase

    def as_dict(self, request_id: str | None) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": _TYPE_PREFIX + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
        }
        if self.errors:
            body["errors"] = [error.as_dict() for error in self.errors]
        return body


def pointer(*steps: int | str) -> str:
    """The JSON pointer to a field, of a bounded length: a client chooses the names."""
    cut = (str(step)[:_LONGEST_STEP] for step in steps)
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in cut)


def invalid(name: str, code: str, detail: str) -> Problem:
    """A 422 for one field."""
    return invalid_fields([FieldError(pointer(name), code, detail)])


def invalid_fields(errors: Sequence[FieldError]) -> Problem:
    """A 422 for each of `errors`, of which it tells the first hundred."""
    detail = "; ".join(f"{one.pointer or 'the body'} {one.detail}" for one in errors[:3])
    return Problem(422, "validation_failed", f"{detail}.", errors=errors[:_MOST_ERRORS])


_CRASH = Problem(
    500,
    "internal_error",
    "The request crashed on our side and nothing was stored. Quote the request_id to the operator.",
)

_UNAVAILABLE = Problem(
    503,
    "storage_unavailable",
    "The database cannot be written and nothing was stored: try again later.",
    headers={"Retry-After": "10"},
)

_TABLE: dict[type[Exception], Problem] = {
    KeyReused: Problem(
        422,
        "idempotency_key_reused",
        "This Idempotency-Key was used for another request: send a new key with it.",
    ),
    ClientEventConflict: Problem(
        422,
        "client_event_conflict",
        "This client_event_id was recorded with another person, event or occurred_at: "
        "give each event an id of its own.",
        errors=[FieldError("/client_event_id", "conflict", "is known with other content")],
    ),
    TooBusy: Problem(
        503,
        "busy",
        "The database is busy and nothing was stored: try again.",
        headers={"Retry-After": "1"},
    ),
    # The socket's own read timeout: see web/server/worker.py.
    BlockingIOError: Problem(
        408,
        "request_timeout",
        "The body did not arrive in time.",
        headers={"Connection": "close"},
    ),
    Moved: Problem(
        503,
        "moved",
        "What is recorded here moves to another database, and nothing was stored: try again once "
        "the operator has started the service there.",
        headers={"Retry-After": "10"},
    ),
    Denied: Problem(
        503,
        "storage_unavailable",
        "The database does not let the service write and nothing was stored: "
        "the operator sees at /readyz what to grant it.",
        headers={"Retry-After": "10"},
    ),
    Unavailable: _UNAVAILABLE,
    Damaged: _UNAVAILABLE,
    Replaced: _UNAVAILABLE,
}


# The text of these is a sentence for the client.
_SPOKEN: dict[type[Exception], tuple[int, str]] = {
    NoSuchRecord: (404, "not_found"),
    NotYourRecord: (403, "not_your_record"),
    TooLate: (403, "too_late"),
    AlreadyCorrected: (409, "already_corrected"),
    NothingToAmend: (422, "nothing_to_amend"),
}


def problem_of(error: Exception) -> Problem:
    """What to answer for `error`: the one place where it is decided."""
    match error:
        case Problem():
            return error
        case ValidationError():
            return _from_validation(error)
        case HTTPException():
            return _from_http(error)
        case _ if type(error) in _SPOKEN:
            return Problem(*_SPOKEN[type(error)], str(error))
        case _:
            return _TABLE.get(type(error), _CRASH)


def respond(problem: Problem) -> Response:
    body = problem.as_dict(g.get("echoed_id"))
    text = json.dumps(body, ensure_ascii=False)
    response = JsonResponse(text, problem.status, mimetype=MEDIA_TYPE)
    response.headers.update(problem.headers)
    return response


def install(app: Flask) -> None:
    """Answer every exception, Werkzeug's own and a crash included, with a problem: at every address
    but the pages', which answer their own."""

    @app.errorhandler(Exception)
    def handle(error: Exception) -> Response:
        return respond(logged_problem_of(error))


def logged_problem_of(error: Exception) -> Problem:
    """The same as `problem_of`, with the traceback of a crash in the log."""
    problem = problem_of(error)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("A request crashed", exc_info=error, extra={"request_id": g.get("request_id")})
    return problem


def _from_http(error: HTTPException) -> Problem:
    status = error.code or 500
    headers = {
        name: value for name, value in error.get_headers() if name in {"Allow", "Retry-After"}
    }
    code = HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")
    return Problem(
        status, code, _HTTP_DETAILS.get(status) or error.description or "", headers=headers
    )


_HTTP_DETAILS = {
    404: "There is nothing at this address.",
    405: "This address does not take this method: see the Allow header.",
    413: "The body is too large.",
}

_CODES = {"missing": "required", "extra_forbidden": "unknown_field"}

# What pydantic finds, in our words; what a validator of ours finds is in them already.
_DETAILS = {
    "missing": "is required",
    "extra_forbidden": "is not a field that this request takes",
    "model_type": "must be an object",
    "tuple_type": "must be an array",
    "too_long": "must have at most {max_length} items",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",  # the least length of each is 1
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be {expected}",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}


def _from_validation(error: ValidationError) -> Problem:
    # Never pydantic's `input`: it would echo what the client sent.
    found = error.errors(include_url=False, include_input=False)
    if any(one["type"] == "json_invalid" for one in found):
        return Problem(400, "invalid_json", "The body is not JSON in UTF-8.")
    return invalid_fields([_field_error(one) for one in found])


def _field_error(found: ErrorDetails) -> FieldError:
    kind, detail = found["type"], found["msg"]
    if ours := _DETAILS.get(kind):
        bounds = {name: _plain(bound) for name, bound in found.get("ctx", {}).items()}
        detail = ours.format_map(bounds)
    return FieldError(pointer(*found["loc"]), _CODES.get(kind, kind), detail)


def _plain(bound: Any) -> Any:
    """90 for 90.0."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound
