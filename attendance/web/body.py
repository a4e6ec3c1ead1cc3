"""Reading what a client sends: JSON of a bounded size, and query parameters, both strictly."""

from typing import TypeVar, cast

from flask import request
from flask.globals import request_ctx
from pydantic import BaseModel, ValidationError

from attendance.web.duplicate_keys import duplicate_keys
from attendance.web.problems import FieldError, Problem, invalid_fields, pointer, problem_of

BODY_LIMIT = 64 * 1024
_JSON = "application/json"
_SHOWN = 32
_MARK = "The body begins with a byte order mark: send it as UTF-8 without one."
_NO_JSON = {
    b"\xef\xbb\xbf": _MARK,
    b"\xff\xfe": _MARK,
    b"\xfe\xff": _MARK,
    b"\x1f\x8b": "The body is compressed by gzip: send the JSON as it is.",
}
"""How a body begins that is no JSON in UTF-8, and what its sender does about it."""

M = TypeVar("M", bound=BaseModel)


def json_body(model: type[M], limit: int = BODY_LIMIT) -> M:
    """The body as a `model`.

    Raises:
        Problem: 400, 411, 413 or 415; 422, a field is given more than once.
        ValidationError: it is not JSON, or not of the model's shape.
    """
    return parsed(model, raw_body(limit))


def optional_json_body(model: type[M]) -> M:
    """The same, where no body at all means an empty object."""
    if not request.content_length and "chunked" not in request.headers.get("Transfer-Encoding", ""):
        return model.model_validate_json(b"{}")
    return json_body(model)


def parsed(model: type[M], body: bytes) -> M:
    """`body` as a `model`.

    Raises:
        Problem: 422, a field is given more than once.
        ValidationError: it is not JSON, or not of the model's shape.
    """
    made = model.model_validate_json(body)
    if twice := duplicate_keys(body):
        raise invalid_fields([_twice(*path) for path in twice])
    return made


def raw_body(limit: int = BODY_LIMIT) -> bytes:
    """The body's bytes, of at most `limit`, declared as JSON."""
    # Without a length nothing would tell the whole of a body from what was read of a longer one.
    asked = request_ctx.request
    length = asked.content_length
    if length is None:
        raise Problem(411, "length_required", "Send the body with a Content-Length.")
    if length > limit:
        raise Problem(413, "too_large", f"The body is larger than {limit} bytes.")
    if asked.environ.get("CONTENT_TYPE") != _JSON and asked.mimetype != _JSON:
        raise Problem(
            415, "unsupported_media_type", "Send the body as `Content-Type: application/json`."
        )
    if encoding := asked.environ.get("HTTP_CONTENT_ENCODING"):
        shown = encoding[:_SHOWN] if encoding.isprintable() else "?"
        detail = f"The body has the Content-Encoding `{shown}`: send it as it is, without one."
        raise Problem(415, "unsupported_media_type", detail)
    # Bounded above: Werkzeug would wrap the server's stream to bound it once more.
    body = cast("bytes", asked.environ["wsgi.input"].read(length))
    if len(body) < length:
        detail = f"The body has {len(body)} bytes, and its Content-Length says {length}."
        raise Problem(400, "incomplete_body", detail)
    for beginning, detail in _NO_JSON.items():
        if body.startswith(beginning):
            raise Problem(400, "invalid_json", detail)
    return body


def query(model: type[M]) -> M:
    """The query parameters as a `model`; each may be given once.

    Raises:
        Problem: 422, naming the parameter.
    """
    twice = [name for name in request.args if len(request.args.getlist(name)) > 1]
    if twice:
        raise invalid_fields([_twice(name) for name in twice])
    try:
        return model.model_validate_strings(request.args.to_dict())
    except ValidationError as error:
        raise problem_of(error) from None


def _twice(*path: int | str) -> FieldError:
    return FieldError(pointer(*path), "repeated", "is given more than once: keep one of them")
