"""Tests against a sandbox in another process steer and read it over HTTP."""

from collections.abc import Iterator

import pytest
import requests

from attendance.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def ask(sandbox: Sandbox, method: str, path: str, **kwargs: object) -> requests.Response:
    return requests.request(method, sandbox.url + path, timeout=10, **kwargs)  # type: ignore[arg-type]


def send(sandbox: Sandbox, chat_id: int | str, text: str) -> requests.Response:
    path = f"/bot{sandbox.token}/sendMessage"
    return ask(sandbox, "POST", path, json={"chat_id": chat_id, "text": text})


def test_messages_can_be_read_of_one_chat_and_after_a_sequence(sandbox: Sandbox) -> None:
    for chat_id, text in ((7, "one"), ("@news", "two"), (7, "three")):
        send(sandbox, chat_id, text)
    everything = ask(sandbox, "GET", "/sandbox/messages").json()["messages"]
    assert [message["text"] for message in everything] == ["one", "two", "three"]
    of_seven = ask(sandbox, "GET", "/sandbox/messages?chat_id=7").json()["messages"]
    assert [message["id"] for message in of_seven] == [1, 2]
    later = ask(sandbox, "GET", "/sandbox/messages?chat_id=7&after=1").json()["messages"]
    assert [message["text"] for message in later] == ["three"]


def test_requests_show_what_was_refused_and_never_the_token(sandbox: Sandbox) -> None:
    send(sandbox, 7, "")
    requests.get(f"{sandbox.url}/bot1:wrong/getMe", timeout=10)
    answer = ask(sandbox, "GET", "/sandbox/requests")
    assert [(r["method"], r["status"]) for r in answer.json()["requests"]] == [
        ("sendMessage", 400),
        ("getMe", 401),
    ]
    assert sandbox.token not in answer.text


def test_faults_are_set_listed_and_cleared(sandbox: Sandbox) -> None:
    definition = {"kind": "answer", "status": 500, "times": 2}
    assert ask(sandbox, "POST", "/sandbox/faults", json=definition).status_code == 200
    assert send(sandbox, 7, "x").status_code == 500
    [left] = ask(sandbox, "GET", "/sandbox/faults").json()["faults"]
    assert (left["kind"], left["times"]) == ("answer", 1)
    ask(sandbox, "DELETE", "/sandbox/faults")
    assert send(sandbox, 7, "x").status_code == 200


def test_a_chat_is_set_and_an_update_received(sandbox: Sandbox) -> None:
    blocked = {"chat_id": 7, "status": "blocked", "title": "Ada"}
    ask(sandbox, "POST", "/sandbox/chats", json=blocked)
    assert send(sandbox, 7, "x").status_code == 403
    ask(sandbox, "POST", "/sandbox/updates", json={"chat_id": -5, "text": "/start"})
    [update] = ask(sandbox, "GET", f"/bot{sandbox.token}/getUpdates").json()["result"]
    assert update["message"]["chat"] == {"id": -5, "type": "group", "title": "Group 5"}


def test_limits_are_set_and_lifted(sandbox: Sandbox) -> None:
    ask(sandbox, "POST", "/sandbox/limits", json={"chat": [1, 60]})
    assert [send(sandbox, 7, "x").status_code for _ in range(2)] == [200, 429]
    ask(sandbox, "POST", "/sandbox/limits", json={"chat": None})
    assert send(sandbox, 7, "x").status_code == 200


def test_a_reset_forgets_everything_but_the_limits(sandbox: Sandbox) -> None:
    sandbox.set_limits(chat=(1, 60.0))
    sandbox.set_chat(8, "blocked")
    sandbox.fault("drop", chat_id=9)
    send(sandbox, 7, "x")
    ask(sandbox, "POST", "/sandbox/reset")
    assert (sandbox.messages(), sandbox.requests, sandbox.faults.waiting()) == ([], [], [])
    assert send(sandbox, 7, "x").json()["result"]["message_id"] == 1
    assert send(sandbox, 7, "x").status_code == 429
    assert send(sandbox, 8, "x").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "sentence"),
    [
        ("GET", "/sandbox/nothing", "", 404, "There is no GET /sandbox/nothing; known are GET"),
        ("GET", "/sandbox/messages?after=x", "", 400, "after: 'x' is not a number from 0."),
        ("POST", "/sandbox/faults", "{", 400, "The body is not JSON."),
        ("POST", "/sandbox/faults", "[]", 400, "The body is not a JSON object."),
        ("POST", "/sandbox/faults", "{}", 400, "kind: None is none of answer, retry_after"),
        ("POST", "/sandbox/limits", '{"chat": 5}', 400, "chat: 5 is neither [count, seconds]"),
        ("POST", "/sandbox/limits", '{"chart": null}', 400, "chart: known limits are overall"),
        ("POST", "/sandbox/chats", "{}", 400, "chat_id: '' is no chat's id."),
        ("POST", "/sandbox/chats", '{"chat_id": 7, "status": "mad"}', 400, "status: 'mad' is none"),
        ("POST", "/sandbox/chats", '{"chat_id": 7, "status": "migrated"}', 400, "migrate_to: ''"),
        ("POST", "/sandbox/updates", '{"chat_id": "x"}', 400, "chat_id: 'x' is no chat's id."),
    ],
)
def test_a_wrong_setting_is_refused_with_a_sentence(
    sandbox: Sandbox, method: str, path: str, body: str, status: int, sentence: str
) -> None:
    answer = ask(sandbox, method, path, data=body)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(sentence)


def test_no_other_website_can_read_or_steer_it(sandbox: Sandbox) -> None:
    send(sandbox, 7, "x")
    foreign = {"Origin": "https://evil.example"}
    answer = ask(sandbox, "POST", "/sandbox/reset", headers=foreign)
    assert (answer.status_code, answer.content) == (403, b"")
    assert len(sandbox.messages()) == 1
    own = {"Origin": sandbox.url}
    assert ask(sandbox, "POST", "/sandbox/reset", headers=own).status_code == 200
