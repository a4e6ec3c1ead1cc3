"""JSON spliced by hand is what the serialiser makes of the whole."""

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from calling import Api
from hypothesis import given
from hypothesis import strategies as st
from requests_of_each_kind import REQUESTS, answers

from attendance.db.fast.row_json import row_json
from attendance.notifications.routing import Notification
from attendance.web.fast.spliced_json import success, with_id

TEXTS = st.text(st.characters(codec="utf-8"))
VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS
RECORDS = st.dictionaries(TEXTS, VALUES | st.lists(VALUES) | st.dictionaries(TEXTS, VALUES))
MESSAGES = st.lists(st.builds(Notification, st.integers(1), st.none() | TEXTS, TEXTS), max_size=3)


def plain_success(message: str, record: str, messages: list[Notification], **more: str) -> str:
    whole = {
        "status": "SUCCESS",
        "message": message,
        "attendance": json.loads(record),
        "notifications": [
            {"id": one.id, "chat_id": one.chat_id, "status": one.status} for one in messages
        ],
        **{name: json.loads(value) for name, value in more.items()},
    }
    return json.dumps(whole)


def plain_with_id(number: int, record: str) -> str:
    return json.dumps({"id": number, **json.loads(record)})


def in_order(text: str | bytes) -> Any:
    """What is said, and in which order."""
    return json.loads(text, object_pairs_hook=list)


@given(TEXTS, RECORDS, MESSAGES, st.sampled_from([{}, {"deduplicated": "true"}]))
def test_an_answer_is_the_json_of_its_parts(
    message: str, record: dict[str, Any], messages: list[Notification], more: dict[str, str]
) -> None:
    spliced = success(message, row_json(record), messages, **more)

    assert in_order(spliced) == in_order(plain_success(message, row_json(record), messages, **more))


@given(st.integers(1, 2**63 - 1), RECORDS.filter(lambda record: record and "id" not in record))
def test_an_id_is_the_first_member(number: int, record: dict[str, Any]) -> None:
    assert in_order(with_id(number, row_json(record))) == in_order(
        plain_with_id(number, row_json(record))
    )


def test_a_service_that_serialises_each_answer_as_a_whole_says_the_same(
    make_twin: Callable[[], Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = answers(make_twin())
    for noun, name, plain in (
        ("attendance", "with_id", plain_with_id),
        ("attendance", "success", plain_success),
        ("corrections", "success", plain_success),
    ):
        monkeypatch.setattr(import_module(f"attendance.web.api.{noun}"), name, plain)
    whole = answers(make_twin())

    for request, (status, _, said), (whole_status, _, whole_said) in zip(
        REQUESTS, ours, whole, strict=True
    ):
        assert status == whole_status, request
        if request[0] == "POST":
            assert in_order(said) == in_order(whole_said), request
