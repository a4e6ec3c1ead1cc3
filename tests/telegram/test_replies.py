"""The table of replies, row by row: what each one means for the message."""

import json
from typing import Any

import pytest

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
from attendance.telegram.errors import (
    DEFAULT_RETRY_AFTER,
    SHORTEST_RETRY_AFTER,
    outcome_of,
    refused_markup,
)

HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"
MESSAGE: dict[str, Any] = {"message_id": 42, "date": 1, "chat": {"id": 7}, "text": "x"}


def ok(result: object) -> bytes:
    return json.dumps({"ok": True, "result": result}).encode()


def no(status: int, description: str, **parameters: object) -> bytes:
    answer: dict[str, object] = {"ok": False, "error_code": status, "description": description}
    if parameters:
        answer["parameters"] = parameters
    return json.dumps(answer).encode()


def refusal(status: int, description: str, kind: type[Outcome]) -> Any:
    """A row whose error is the status and the raw description."""
    expected = kind(f"{status} {description}")  # type: ignore[arg-type, call-arg]
    return pytest.param(status, no(status, description), expected, id=f"{status} {description}")


REFUSALS = [
    refusal(400, "Bad Request: chat not found", Parked),
    refusal(400, "bad request: CHAT NOT FOUND", Parked),
    refusal(400, "chat not found", Parked),
    refusal(400, "Bad Request: not enough rights to send text messages to the chat", Parked),
    refusal(400, "Bad Request: have no write access to the chat", Parked),
    refusal(400, "Bad Request: need administrator rights in the channel chat", Parked),
    refusal(400, "Bad Request: CHAT_WRITE_FORBIDDEN", Parked),
    refusal(400, "Bad Request: message thread not found", Parked),
    refusal(400, "Bad Request: TOPIC_CLOSED", Parked),
    refusal(403, "Forbidden: bot was blocked by the user", Parked),
    refusal(403, "Forbidden: bot was kicked from the supergroup chat", Parked),
    refusal(403, "Forbidden: user is deactivated", Parked),
    refusal(403, "Forbidden: bot can't initiate conversation with a user", Parked),
    refusal(403, "something new", Parked),
    refusal(400, "Bad Request: can't parse entities: Character '.' is reserved", Rejected),
    refusal(400, "Bad Request: message is too long", Rejected),
    refusal(400, "Bad Request: text is too long", Rejected),
    refusal(400, "Bad Request: message text is empty", Rejected),
    refusal(400, "Bad Request: text must be encoded in UTF-8", Rejected),
    refusal(400, "Bad Request: ENTITIES_TOO_LONG", Rejected),
    refusal(400, "Bad Request: something new", Rejected),
    refusal(400, "Bad Request: told you: chat not found", Rejected),  # only a beginning counts
    refusal(413, "Request Entity Too Large", Rejected),
    refusal(401, "Unauthorized", Misconfigured),
    refusal(404, "Not Found", Misconfigured),
    refusal(404, "Not Found: method not found", Misconfigured),
    refusal(421, "Misdirected Request", Misconfigured),
    refusal(400, "Bad Request: FROZEN_METHOD_INVALID", Misconfigured),
    refusal(403, "Forbidden: FROZEN_METHOD_INVALID", Misconfigured),
    refusal(420, "FROZEN_METHOD_INVALID", Misconfigured),
    refusal(409, "Conflict", Retry),
    refusal(500, "Internal Server Error: restart", Uncertain),
    refusal(500, "restart", Uncertain),
]

UNREADABLE = "with a body that is not the Bot API's"
OTHERS = [
    (200, ok(MESSAGE), Delivered(42)),
    (200, HTML, Uncertain(f"200 {UNREADABLE}")),
    (200, ok(MESSAGE)[:-5], Uncertain(f"200 {UNREADABLE}")),
    (200, b"", Uncertain("200 with an empty body")),
    (200, b"\xff\xfe\x00", Uncertain(f"200 {UNREADABLE}")),
    (200, b"[" * 20_000, Uncertain(f"200 {UNREADABLE}")),
    (200, b"null", Uncertain(f"200 {UNREADABLE}")),
    (200, b'{"result":{"message_id":42}}', Uncertain(f"200 {UNREADABLE}")),
    (200, b'{"ok":true}', Uncertain("200 without a result")),
    (200, ok(True), Uncertain("200 without a result")),  # noqa: FBT003
    (200, ok({}), Uncertain("200 without a result")),
    (200, ok({"message_id": "42"}), Uncertain("200 without a result")),
    (200, ok({"message_id": 2**63}), Uncertain("200 without a result")),
    (200, b'{"ok":false}', Uncertain("200 without a result")),
    (204, b"", Uncertain("204 with an empty body")),
    (302, b"", Misconfigured("302 with an empty body")),
    (301, HTML, Misconfigured(f"301 {UNREADABLE}")),
    (308, ok(MESSAGE), Misconfigured("308 without a result")),
    (400, b"", Rejected("400 with an empty body")),
    (413, b"", Rejected("413 with an empty body")),
    # What is not the Bot API's own word says nothing about the chat or the message.
    (400, HTML, Retry(f"400 {UNREADABLE}")),
    (403, HTML, Retry(f"403 {UNREADABLE}")),
    (403, b"", Retry("403 with an empty body")),
    (403, b'{"error":"blocked by policy"}', Retry(f"403 {UNREADABLE}")),
    (451, HTML, Retry(f"451 {UNREADABLE}")),
    (407, HTML, Retry(f"407 {UNREADABLE}")),
    (401, HTML, Misconfigured(f"401 {UNREADABLE}")),
    (404, HTML, Misconfigured(f"404 {UNREADABLE}")),
    (421, b"", Misconfigured("421 with an empty body")),
    (500, HTML, Uncertain(f"500 {UNREADABLE}")),
    (502, HTML, Uncertain(f"502 {UNREADABLE}")),
    (504, b"", Uncertain("504 with an empty body")),
    (999, b"", Uncertain("999 with an empty body")),
]


@pytest.mark.parametrize(("status", "body", "expected"), [*REFUSALS, *OTHERS])
def test_a_reply_means(status: int, body: bytes, expected: Outcome) -> None:
    assert outcome_of(status, {}, body) == expected


UPGRADED = "Bad Request: group chat was upgraded to a supergroup chat"


@pytest.mark.parametrize("status", [400, 403, 429])
def test_a_migrated_chat_is_known_by_its_parameter(status: int) -> None:
    body = no(status, UPGRADED, migrate_to_chat_id=-1001234567890)
    assert outcome_of(status, {}, body) == Migrated("-1001234567890", f"{status} {UPGRADED}")


@pytest.mark.parametrize(
    "parameters", [{}, {"migrate_to_chat_id": None}, {"migrate_to_chat_id": True}]
)
def test_an_upgrade_without_a_usable_new_id_rejects_the_message(parameters: dict[str, Any]) -> None:
    body = no(400, UPGRADED, **parameters)
    assert outcome_of(400, {}, body) == Rejected(f"400 {UPGRADED}")


IN_TEXT = "Too Many Requests: retry after 9"


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"Retry-After": "7"}, no(429, IN_TEXT, retry_after=5), 5),  # parameters, then
        ({"retry-after": "7"}, no(429, IN_TEXT), 7),  # the header, then
        ({}, no(429, IN_TEXT), 9),  # the text
        ({"Retry-After": "Fri, 31 Dec 2027 23:59:59 GMT"}, no(429, IN_TEXT), 9),
        ({}, no(429, IN_TEXT, retry_after=10_072), 10_072),
        ({}, no(429, IN_TEXT, retry_after=2.5), 2.5),
        ({}, no(429, IN_TEXT, retry_after="6"), 6),
        ({}, no(429, IN_TEXT, retry_after=True), 9),
        ({}, no(429, IN_TEXT, retry_after=-3), 9),
        ({}, no(429, IN_TEXT, retry_after=float("nan")), 9),
        ({}, no(429, "x", retry_after=0), SHORTEST_RETRY_AFTER),
        ({}, no(429, "x", retry_after=10**30), LONGEST_RETRY_AFTER),
        ({}, no(429, "Too Many Requests"), DEFAULT_RETRY_AFTER),
        ({}, HTML, DEFAULT_RETRY_AFTER),
        ({"Retry-After": "7"}, b"", 7),
    ],
)
def test_a_429_names_the_seconds_to_wait(
    headers: dict[str, str], body: bytes, seconds: float
) -> None:
    outcome = outcome_of(429, headers, body)
    assert isinstance(outcome, Postponed)
    assert outcome.retry_after_seconds == seconds


def test_retry_after_counts_whatever_the_status() -> None:
    assert outcome_of(400, {}, no(400, "slow down", retry_after=3)) == Postponed(3, "400 slow down")
    assert outcome_of(503, {}, no(503, "restart", retry_after=3)) == Postponed(3, "503 restart")


def test_parameters_of_a_success_change_nothing() -> None:
    body = json.dumps({"ok": True, "result": MESSAGE, "parameters": {"retry_after": 5}}).encode()
    assert outcome_of(200, {}, body) == Delivered(42)


@pytest.mark.parametrize(
    ("description", "markup"),
    [
        ("Bad Request: can't parse entities: Can't find end of Bold entity", True),
        ("Bad Request: Can't Parse Entities", True),
        ("Bad Request: message text is empty", False),
    ],
)
def test_refused_markup_is_told_from_other_refusals(description: str, *, markup: bool) -> None:
    assert refused_markup(outcome_of(400, {}, no(400, description))) is markup


def test_a_description_fits_a_database() -> None:
    outcome = outcome_of(400, {}, no(400, "Bad Request: \x00\ud800" + "x" * 5000))
    assert isinstance(outcome, Rejected)
    assert outcome.error.startswith("400 Bad Request:  xxx")
    assert len(outcome.error) < 600
    assert outcome.error.encode()
