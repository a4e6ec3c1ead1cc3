"""What the client asks besides sending: about a chat, and for updates; and a word of its own."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from attendance.config.secrets import Secret
from attendance.outbox.transport import Delivered, Misconfigured, Parked, Rejected, Uncertain
from attendance.sandbox import Sandbox
from attendance.telegram.client import UPDATES_LIMIT, ChatInfo, TelegramClient

GROUP = "-1001234567890"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(0) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[TelegramClient]:
    made = TelegramClient(token=Secret(sandbox.token), api_base=sandbox.url, connect_seconds=2)
    yield made
    made.close()


def _answers(sandbox: Sandbox, method: str, result: Any) -> None:
    body = json.dumps({"ok": True, "result": result})
    sandbox.fault("answer", status=200, body=body, method=method)


class TestGetChat:
    def test_it_says_what_the_chat_is(self, sandbox: Sandbox, client: TelegramClient) -> None:
        sandbox.set_chat(GROUP, title="Engines\n\x1b")

        assert client.get_chat(GROUP, 5) == ChatInfo(GROUP, "supergroup", "Engines  ")
        assert client.get_chat("5", 5) == ChatInfo("5", "private", "Person 5")
        assert [request.method for request in sandbox.requests] == ["getChat", "getChat"]

    def test_a_chat_that_is_not_seen(self, sandbox: Sandbox, client: TelegramClient) -> None:
        sandbox.set_chat(GROUP, "unknown")

        assert client.get_chat(GROUP, 5) == Parked("400 Bad Request: chat not found")

    @pytest.mark.parametrize("result", [True, {}, {"id": "5"}, []])
    def test_an_answer_that_is_no_chat(
        self, sandbox: Sandbox, client: TelegramClient, result: Any
    ) -> None:
        _answers(sandbox, "getChat", result)

        assert client.get_chat(GROUP, 5) == Uncertain("200 without a result")


class TestGetUpdates:
    def test_they_come_and_are_not_confirmed(
        self, sandbox: Sandbox, client: TelegramClient
    ) -> None:
        sandbox.receive("5", "hello")

        first, second = client.get_updates(5), client.get_updates(5)

        assert isinstance(first, list)
        assert first == second
        assert first[0]["message"]["text"] == "hello"
        assert [request.parameters for request in sandbox.requests] == [{}, {}]

    def test_there_may_be_none(self, client: TelegramClient) -> None:
        assert client.get_updates(5) == []

    def test_many_long_ones_are_read_whole(self, sandbox: Sandbox, client: TelegramClient) -> None:
        for _ in range(100):
            sandbox.receive("5", "😀" * 4096)

        found = client.get_updates(10)

        assert isinstance(found, list)
        assert len(found) == 100
        assert len(json.dumps(found)) < UPDATES_LIMIT

    def test_a_wrong_token(self, sandbox: Sandbox) -> None:
        token = Secret("1:another")
        client = TelegramClient(token=token, api_base=sandbox.url, connect_seconds=2)

        assert client.get_updates(5) == Misconfigured("401 Unauthorized")
        client.close()

    def test_an_answer_that_is_no_list(self, sandbox: Sandbox, client: TelegramClient) -> None:
        _answers(sandbox, "getUpdates", {"update_id": 1})

        assert client.get_updates(5) == Uncertain("200 without a result")


class TestSaying:
    def test_it_is_sent_as_it_is(self, sandbox: Sandbox, client: TelegramClient) -> None:
        assert client.send_text(GROUP, "*hello*", 5, thread_id=5) == Delivered(1)

        (message,) = sandbox.messages(GROUP)
        assert (message.text, message.raw_text, message.thread_id) == ("hello", "*hello*", 5)

    def test_broken_markup_is_not_sent_again(
        self, sandbox: Sandbox, client: TelegramClient
    ) -> None:
        assert isinstance(client.send_text(GROUP, "*hello", 5), Rejected)
        assert len(sandbox.requests) == 1
