"""The sandbox counts request starts in exact sliding windows."""

import pytest
import requests

from attendance.sandbox import Sandbox
from attendance.sandbox.limits import Limits


@pytest.mark.parametrize(
    ("starts", "waits"),
    [
        ([0.0, 0.0, 0.0], [0, 0, 1]),
        ([0.0, 0.5, 0.999, 1.0], [0, 0, 1, 0]),  # the start at 0 leaves the window at 1
        ([0.0, 0.9, 1.0, 1.5, 1.9], [0, 0, 0, 1, 0]),  # no window of fixed bounds: it slides
    ],
)
def test_no_second_sees_more_than_two_starts(starts: list[float], waits: list[int]) -> None:
    limits = Limits(overall=(2, 1.0))
    assert [limits.refuse("7", start) for start in starts] == waits


def test_the_seconds_to_wait_are_rounded_up_and_enough() -> None:
    limits = Limits(group=(20, 60.0))
    assert {limits.refuse("-5", float(start)) for start in range(20)} == {0}
    assert limits.refuse("-5", 20.5) == 40
    assert limits.refuse("-5", 20.5 + 40) == 0


def test_a_refused_start_counts_nowhere() -> None:
    limits = Limits(overall=(2, 1.0), chat=(1, 1.0))
    assert [limits.refuse("7", 0.0), limits.refuse("7", 0.1), limits.refuse("8", 0.2)] == [0, 1, 0]


def test_starts_that_are_asked_for_out_of_order_count_all_the_same() -> None:
    limits = Limits(overall=(2, 1.0))
    assert [limits.refuse("7", start) for start in (10.2, 10.0, 11.1, 11.05)] == [0, 0, 0, 1]


def test_chats_and_groups_have_windows_of_their_own() -> None:
    limits = Limits(chat=(1, 1.0), group=(2, 60.0))
    chats = ["7", "7", "8", "-5", "-5", "-5", "-1001234567890", "@news", "@news", "@news"]
    assert [limits.refuse(chat, 0.0) for chat in chats] == [0, 1, 0, 0, 0, 60, 0, 0, 0, 60]


def test_a_refused_request_is_answered_429_and_records_nothing() -> None:
    with Sandbox(limit_chat=(1, 30.0)) as sandbox:
        url = f"{sandbox.url}/bot{sandbox.token}/sendMessage"
        answers = [
            requests.post(url, json={"chat_id": 7, "text": "x"}, timeout=10) for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert answers[1].json()["parameters"] == {"retry_after": 30}
        assert len(sandbox.messages()) == 1
        sandbox.set_limits()
        assert requests.post(url, json={"chat_id": 7, "text": "x"}, timeout=10).ok
