"""Decide what a reply, or the lack of one, means for a message: here and nowhere else.

May import the outcomes from `outbox`, `config.secrets`, and the exceptions of `requests` and
`urllib3`. The Bot API's descriptions are those in the sources of tdlib/telegram-bot-api and
tdlib/td.
"""

import json
import re
import ssl
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from requests import RequestException
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema, Timeout
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.exceptions import SSLError as UrllibSSLError
from urllib3.exceptions import TimeoutError as UrllibTimeout

from attendance.config.secrets import redact
from attendance.outbox.transport import (
    LONGEST_RETRY_AFTER,
    Delivered,
    Migrated,
    Misconfigured,
    Outcome,
    Parked,
    Postponed,
    Rejected,
    Retry,
    Uncertain,
)
from attendance.telegram.markdown.text import clean

DEFAULT_RETRY_AFTER = 30.0  # seconds, if a 429 names none
SHORTEST_RETRY_AFTER = 1.0  # seconds
_TOO_LARGE = 2**63  # for an integer of the database
_LONGEST_ERROR = 500  # characters of a description that are kept

Failure = Postponed | Retry | Uncertain | Rejected | Parked | Migrated | Misconfigured
Answer = dict[str, Any]


class NotSent(Exception):
    """No byte of the request was written; the text says why, and holds no address.

    Deliberately not a subclass of the network's exceptions: urllib3 and requests wrap those again,
    and their classes do not tell "not sent" from "sent". (A reset while the answer is awaited is a
    ProxyError if a proxy is used, and an SSLError comes from a handshake or from a read.)
    """


class _Row(NamedTuple):
    statuses: Collection[int]
    bodies: Collection[str]
    beginnings: tuple[str, ...]  # of the description, in lower case
    outcome: Callable[[str], Failure]


_JSON = ("json",)
_EMPTY = ("empty",)
_ANY_BODY = ("json", "empty", "foreign")
_ANY_WORDS = ("",)
_WITHOUT_DESCRIPTION = {
    "json": "without a result",
    "empty": "with an empty body",
    "foreign": "with a body that is not the Bot API's",
}
_CHAT_REFUSES = (
    "chat not found",
    "not enough rights to send text messages",
    "have no write access",
    "need administrator rights in the channel chat",
    "chat_write_forbidden",
    "message thread not found",
    "topic_closed",
)

# The first row that fits decides. Migration and 429 carry a value and are handled before.
# A 4xx that is not the Bot API's own came from something on the way: surely not delivered, and it
# says nothing about the chat. An unknown 4xx of the Bot API is no reason to give up a message.
_TABLE = (
    _Row(range(200, 300), _ANY_BODY, _ANY_WORDS, Uncertain),
    _Row(range(300, 400), _ANY_BODY, _ANY_WORDS, Misconfigured),
    _Row(range(400, 500), _JSON, ("frozen_method_invalid",), Misconfigured),
    _Row({400}, _JSON, _CHAT_REFUSES, Parked),
    _Row({403}, _JSON, _ANY_WORDS, Parked),
    _Row({400, 413}, _JSON, _ANY_WORDS, Rejected),
    _Row({400, 413}, _EMPTY, _ANY_WORDS, Rejected),  # the Bot API's word for a malformed request
    _Row({401, 404, 421}, _ANY_BODY, _ANY_WORDS, Misconfigured),
    _Row(range(400, 500), _ANY_BODY, _ANY_WORDS, Retry),
    _Row(range(1000), _ANY_BODY, _ANY_WORDS, Uncertain),  # any status that HTTP can carry
)


def outcome_of(status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    """Decide what the reply to a sendMessage means; an error keeps status and description."""
    match result_of(status, body):
        case {"message_id": int(receipt)} if 0 < receipt < _TOO_LARGE:
            return Delivered(receipt)
        case _:
            return failure_of(status, headers, body)


def result_of(status: int, body: bytes) -> Answer | None:
    """Return the `result` object of a reply that says success, else None."""
    match _answer(body):
        case {"ok": True, "result": dict(result)} if status == 200:
            return result
        case _:
            return None


def results_of(status: int, body: bytes) -> list[Answer] | None:
    """Return the same for a method whose `result` is a list of objects."""
    match _answer(body):
        case {"ok": True, "result": list(results)} if status == 200:
            return [one for one in results if isinstance(one, dict)]
        case _:
            return None


def succeeded(status: int, body: bytes) -> bool:
    """Tell whether a reply says success, for methods whose result is `true`."""
    return status == 200 and (_answer(body) or {}).get("ok") is True


def failure_of(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Decide what a reply without a usable result means."""
    answer, kind = _answer(body), _kind(body)
    description, parameters = _description(answer), _parameters(answer)
    error = f"{status} {description or _WITHOUT_DESCRIPTION[kind]}"
    if chat_id := _chat_id(parameters.get("migrate_to_chat_id")):
        return Migrated(chat_id, error)
    if status == 429 or "retry_after" in parameters:
        return Postponed(_retry_after(parameters, headers, description), error)
    return _row(status, kind, description).outcome(error)


def refused_markup(outcome: Outcome) -> bool:
    """Tell whether the markup was refused: nothing was sent, so plain text may follow at once."""
    return isinstance(outcome, Rejected) and "can't parse entities" in outcome.error.lower()


def outcome_of_exception(error: Exception) -> Failure:
    """Decide what an exception of `requests`, `urllib3` or ours means.

    Only the exception's class is used: its text holds the URL, and so the token.
    """
    match error:
        case NotSent():
            return Retry(f"not sent: {error}")
        case InvalidURL() | InvalidSchema() | MissingSchema() | LocationValueError():
            return Misconfigured("not sent: the API's or the proxy's address cannot be used")
        case OSError() if not isinstance(error, RequestException):
            # requests raises it before connecting, and wraps later failures in classes of its own
            return Misconfigured("not sent: the CA bundle cannot be read (REQUESTS_CA_BUNDLE)")
        case Timeout() | UrllibTimeout():
            return Uncertain("no complete answer in time")
        case _:
            return Uncertain("the connection ended before the answer was complete")


def not_sent(error: Exception) -> NotSent:
    """Say why there is no connection, in words that hold no address."""
    kind, words = next(row for row in _NO_CONNECTION if isinstance(error, row[0]))
    cause = error.__cause__ if isinstance(error, HTTPError) else error
    detail = getattr(cause, "verify_message", None) or getattr(cause, "strerror", None)
    if detail is None and kind is OSError:
        detail = error  # urllib3's "Tunnel connection failed: 407 …"
    return NotSent(clean(redact(f"{words}: {detail}" if detail else words))[:_LONGEST_ERROR])


_NO_CONNECTION = (
    (NameResolutionError, "the host's name was not resolved"),
    (NewConnectionError, "no connection"),
    ((ConnectTimeoutError, TimeoutError), "connecting timed out"),
    ((ssl.SSLError, UrllibSSLError), "TLS was not established"),
    (OSError, "no connection through the proxy"),
    (Exception, "connecting failed"),
)


def _answer(body: bytes) -> Answer | None:
    """Return the Bot API's JSON envelope, or None for anything else."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) and isinstance(answer.get("ok"), bool) else None


def _kind(body: bytes) -> str:
    if _answer(body):
        return "json"
    return "foreign" if body.strip() else "empty"


def _description(answer: Answer | None) -> str:
    """Return it without what a database refuses but JSON can carry: NUL, lone surrogates."""
    return clean(redact(str((answer or {}).get("description") or "")))[:_LONGEST_ERROR]


def _parameters(answer: Answer | None) -> Answer:
    match answer:
        case {"ok": False, "parameters": dict(parameters)}:
            return parameters
        case _:
            return {}


def _chat_id(value: object) -> str | None:
    return str(value) if re.fullmatch(r"-?[0-9]{1,20}", str(value)) else None


def _retry_after(parameters: Answer, headers: Mapping[str, str], description: str) -> float:
    """Return the seconds to wait: of the first source that names a number, else the default."""
    in_text = re.search(r"retry after ([0-9]+)", description, re.IGNORECASE)
    sources = (
        parameters.get("retry_after"),
        CaseInsensitiveDict(headers).get("Retry-After"),
        in_text and in_text[1],
    )
    for source in map(str, sources):
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", source):
            return min(max(float(source), SHORTEST_RETRY_AFTER), LONGEST_RETRY_AFTER)
    return DEFAULT_RETRY_AFTER


def _row(status: int, kind: str, description: str) -> _Row:
    words = re.sub(r"^(bad request|forbidden|not found): *", "", description.lower())
    return next(
        row
        for row in _TABLE
        if status in row.statuses and kind in row.bodies and words.startswith(row.beginnings)
    )
