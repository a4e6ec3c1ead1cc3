"""The parameters of a call: from the address, a form, a multipart form, or JSON, as texts."""

import json
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl


class Malformed(Exception):
    """The request cannot be read; Telegram answers 400 with an empty body."""


def read(query: str, content_type: str, body: bytes) -> dict[str, str]:
    """Return all parameters of a call, those of the body after those of the address.

    As on the real server, a JSON value that is not a string counts by its text: null is "null".
    Raises Malformed.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    if media_type == "application/json":
        parameters |= _from_json(body)
    elif media_type == "multipart/form-data":
        parameters |= _from_multipart(content_type, body)
    elif media_type == "application/x-www-form-urlencoded":
        parameters |= _from_form(body)
    return parameters


def _from_form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, errors="surrogateescape"))
    except ValueError as error:
        raise Malformed(str(error)) from None


def _from_json(body: bytes) -> dict[str, str]:
    if not body:
        return {}
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from None
    if not isinstance(values, dict):
        raise Malformed("a JSON object is expected")
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }


def _from_multipart(content_type: str, body: bytes) -> dict[str, str]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    if not message.is_multipart():
        raise Malformed("the form has no parts")
    values = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            values[name] = payload.decode(errors="surrogateescape")
    return values
