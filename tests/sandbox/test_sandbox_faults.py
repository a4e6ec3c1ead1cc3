"""The sandbox misbehaves as it was told, and says truly what was delivered."""

import time
from collections.abc import Iterator

import pytest
import requests

from attendance.sandbox import BadFault, Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def send(sandbox: Sandbox, chat_id: int = 7, timeout: float = 10) -> requests.Response:
    url = f"{sandbox.url}/bot{sandbox.token}/sendMessage"
    return requests.post(
        url, json={"chat_id": chat_id, "text": "x"}, timeout=timeout, allow_redirects=False
    )


def test_a_fault_meets_as_many_requests_as_it_says_and_then_ends(sandbox: Sandbox) -> None:
    sandbox.fault("answer", status=502, body="<html>Bad Gateway", content_type="text/html", times=2)
    answers = [send(sandbox) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [502, 502, 200]
    assert answers[0].text == "<html>Bad Gateway"
    assert answers[0].headers["Content-Type"] == "text/html"
    assert len(sandbox.messages()) == 1
    assert [request.fault for request in sandbox.requests] == ["answer", "answer", ""]


def test_a_fault_of_one_chat_leaves_the_others_alone_until_it_is_cleared(sandbox: Sandbox) -> None:
    sandbox.fault("retry_after", seconds=3, chat_id=8, times=None)
    assert [send(sandbox, chat).status_code for chat in (8, 7, 8)] == [429, 200, 429]
    sandbox.clear_faults()
    assert send(sandbox, 8).status_code == 200


def test_a_fault_of_one_method_leaves_the_others_alone(sandbox: Sandbox) -> None:
    sandbox.fault("answer", status=401, method="getMe")
    assert send(sandbox).status_code == 200
    url = f"{sandbox.url}/bot{sandbox.token}/getMe"
    assert requests.get(url, timeout=10).status_code == 401


def test_retry_after_is_told_in_parameters_header_and_words(sandbox: Sandbox) -> None:
    sandbox.fault("retry_after", seconds=17)
    answer = send(sandbox)
    assert answer.headers["Retry-After"] == "17"
    assert answer.json() == {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry after 17",
        "parameters": {"retry_after": 17},
    }
    assert sandbox.messages() == []


def test_an_answer_may_lie_about_what_was_delivered(sandbox: Sandbox) -> None:
    sandbox.fault("answer", status=500, delivered=True)
    assert (send(sandbox).status_code, len(sandbox.messages())) == (500, 1)


@pytest.mark.parametrize(("delivered", "arrived"), [(True, 1), (False, 0)])
def test_a_dropped_connection_is_reset_before_or_after_the_delivery(
    sandbox: Sandbox, delivered: object, arrived: int
) -> None:
    sandbox.fault("drop", delivered=delivered)
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        send(sandbox)
    assert len(sandbox.messages()) == arrived
    assert [(r.status, r.error) for r in sandbox.requests] == [(0, "connection reset")]
    assert send(sandbox).status_code == 200


def test_a_delayed_answer_comes_late_and_the_message_at_once(sandbox: Sandbox) -> None:
    sandbox.fault("delay", delay_seconds=0.3)
    assert send(sandbox).status_code == 200
    answered = time.monotonic()
    [message] = sandbox.messages()
    assert answered - message.arrived_monotonic >= 0.3


def test_a_late_delivery_arrives_although_the_client_has_given_up(sandbox: Sandbox) -> None:
    sandbox.fault("delay", delay_seconds=0.3, delivered="late")
    with pytest.raises(requests.ReadTimeout):
        send(sandbox, timeout=0.1)
    assert sandbox.messages() == []
    assert len(sandbox.wait_for(1, 5)) == 1


def test_a_cut_answer_ends_before_its_length(sandbox: Sandbox) -> None:
    sandbox.fault("cut", bytes=5)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="5 bytes read"):
        send(sandbox)
    assert len(sandbox.messages()) == 1


@pytest.mark.parametrize("part", ["headers", "body"])
def test_a_dripping_answer_outlasts_a_timeout_per_read(sandbox: Sandbox, part: str) -> None:
    sandbox.fault("drip", interval_seconds=0.005, part=part)
    began = time.monotonic()
    assert send(sandbox, timeout=0.5).status_code == 200
    assert time.monotonic() - began > 0.5


def test_a_huge_answer_is_ten_megabytes_of_valid_json(sandbox: Sandbox) -> None:
    sandbox.fault("huge")
    answer = send(sandbox)
    assert len(answer.content) == 10 * 1024 * 1024
    assert answer.json()["ok"] is True


def test_a_redirect_names_its_location(sandbox: Sandbox) -> None:
    sandbox.fault("redirect", location="https://elsewhere.example/")
    answer = send(sandbox)
    assert (answer.status_code, answer.headers["Location"]) == (302, "https://elsewhere.example/")
    assert sandbox.messages() == []


def test_a_stop_ends_answers_that_still_wait() -> None:
    sandbox = Sandbox().start()
    sandbox.fault("delay", delay_seconds=60, delivered="late")
    with pytest.raises(requests.ReadTimeout):
        send(sandbox, timeout=0.1)
    began = time.monotonic()
    sandbox.stop()
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("definition", "sentence"),
    [
        ({"kind": "explode"}, "kind: 'explode' is none of answer, retry_after, delay"),
        ({"kind": "answer"}, "status: a fault of the kind answer needs it."),
        ({"kind": "drop", "colour": 1}, "colour: there is no such field"),
        ({"kind": "drop", "times": 0}, "times: 0 is not a number from 1, or null for all."),
        ({"kind": "drop", "delivered": "no"}, "delivered: 'no' is not true, false or \"late\"."),
        ({"kind": "delay", "delay_seconds": -1}, "delay_seconds: -1 is not a number of seconds"),
        ({"kind": "answer", "status": 99}, "status: 99 is not a status from 200 to 599."),
        ({"kind": "redirect", "location": "a\nb"}, "location: 'a\\nb' is not an address."),
        ({"kind": "drop", "delivered": True, "part": "tail"}, "part: 'tail' is not headers or"),
    ],
)
def test_a_bad_fault_is_refused_with_a_sentence_that_names_the_field(
    sandbox: Sandbox, definition: dict[str, object], sentence: str
) -> None:
    with pytest.raises(BadFault) as refusal:
        sandbox.fault(**definition)  # type: ignore[arg-type]
    assert str(refusal.value).startswith(sentence)
    answer = requests.post(f"{sandbox.url}/sandbox/faults", json=definition, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"] == str(refusal.value)
    assert sandbox.faults.waiting() == []
