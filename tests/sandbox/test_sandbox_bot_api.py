"""The sandbox answers as the Bot API does: envelopes, refusals, parameters."""

import json
from collections.abc import Iterator

import pytest
import requests

from attendance.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def call(sandbox: Sandbox, method: str, **parameters: object) -> requests.Response:
    url = f"{sandbox.url}/bot{sandbox.token}/{method}"
    return requests.post(url, json=parameters, timeout=10)


def test_a_message_is_answered_as_telegram_does_and_recorded_as_plain_text(
    sandbox: Sandbox,
) -> None:
    answer = call(
        sandbox, "sendMessage", chat_id=7, text="*Ada* 😀 _in_\\.", parse_mode="MarkdownV2"
    )
    result = answer.json()["result"]
    assert answer.status_code == 200
    assert answer.json()["ok"] is True
    assert result["message_id"] == 1
    assert result["chat"] == {"id": 7, "type": "private", "first_name": "Person 7"}
    assert result["text"] == "Ada 😀 in."
    assert result["entities"] == [
        {"type": "bold", "offset": 0, "length": 3},
        {"type": "italic", "offset": 7, "length": 2},
    ]
    [message] = sandbox.messages(7)
    assert (message.text, message.raw_text) == ("Ada 😀 in.", "*Ada* 😀 _in_\\.")
    assert message.arrived_at.utcoffset() is not None


def test_message_ids_count_within_each_chat(sandbox: Sandbox) -> None:
    ids = [
        call(sandbox, "sendMessage", chat_id=chat, text="x").json()["result"]["message_id"]
        for chat in (7, -5, 7, "@news", 7, -5)
    ]
    assert ids == [1, 1, 2, 1, 3, 2]
    assert [message.sequence for message in sandbox.messages()] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("chat_id", "kind"),
    [
        (7, "private"),
        (-5, "group"),
        (-999_999_999_999, "group"),
        (-1_001_234_567_890, "supergroup"),
        ("@a_channel", "channel"),
    ],
)
def test_the_form_of_a_chat_id_tells_its_kind(
    sandbox: Sandbox, chat_id: int | str, kind: str
) -> None:
    answer = call(sandbox, "getChat", chat_id=chat_id)
    assert answer.json()["result"]["type"] == kind


@pytest.mark.parametrize(
    ("parameters", "status", "description"),
    [
        ({"chat_id": 7}, 400, "Bad Request: message text is empty"),
        ({"chat_id": 7, "text": ""}, 400, "Bad Request: message text is empty"),
        ({"chat_id": 7, "text": " \u200b\n"}, 400, "Bad Request: text must be non-empty"),
        ({"text": "x"}, 400, "Bad Request: chat_id is empty"),
        ({"chat_id": 0, "text": "x"}, 400, "Bad Request: chat not found"),
        ({"chat_id": "Ada", "text": "x"}, 400, "Bad Request: chat not found"),
        ({"chat_id": None, "text": "x"}, 400, "Bad Request: chat not found"),
        ({"chat_id": 7, "text": "x" * 4097}, 400, "Bad Request: message is too long"),
        ({"chat_id": 7, "text": "é" * 16385}, 400, "Bad Request: text is too long"),
        ({"chat_id": 7, "text": "\ud800"}, 400, "Bad Request: text must be encoded in UTF-8"),
        (
            {"chat_id": 7, "text": "x", "parse_mode": "Emacs"},
            400,
            "Bad Request: unsupported parse_mode",
        ),
        (
            {"chat_id": 7, "text": "3.14", "parse_mode": "markdownv2"},
            400,
            (
                "Bad Request: can't parse entities: Character '.' is reserved and must be escaped "
                "with the preceding '\\'"
            ),
        ),
        (
            {"chat_id": -1001234567890, "text": "x", "message_thread_id": 1},
            400,
            "Bad Request: message thread not found",
        ),
    ],
)
def test_what_telegram_refuses_is_refused_in_its_words_and_not_recorded(
    sandbox: Sandbox, parameters: dict[str, object], status: int, description: str
) -> None:
    answer = call(sandbox, "sendMessage", **parameters)
    assert answer.status_code == status
    assert answer.json() == {"ok": False, "error_code": status, "description": description}
    assert sandbox.messages() == []
    assert [(r.status, r.error) for r in sandbox.requests] == [(status, description)]


def test_the_limit_of_a_text_counts_code_points_after_parsing(sandbox: Sandbox) -> None:
    longest = "\\." * 4094 + "*😀😀*"
    assert (
        call(sandbox, "sendMessage", chat_id=7, text=longest, parse_mode="MarkdownV2").status_code
        == 200
    )
    assert (
        call(
            sandbox, "sendMessage", chat_id=7, text=longest + "x", parse_mode="MarkdownV2"
        ).status_code
        == 400
    )


def test_null_is_read_as_a_text(sandbox: Sandbox) -> None:
    call(sandbox, "sendMessage", chat_id=7, text=None)
    assert [message.text for message in sandbox.messages()] == ["null"]


def test_a_form_a_multipart_form_and_the_address_carry_parameters_too(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/bot{sandbox.token}/SENDMESSAGE"
    requests.post(url, data={"chat_id": 7, "text": "förm"}, timeout=10)
    files = {"chat_id": (None, "7"), "text": (None, "mültipart")}
    requests.post(url, files=files, timeout=10)
    requests.get(url, params={"chat_id": "7", "text": "äddress"}, timeout=10)
    assert [message.text for message in sandbox.messages(7)] == ["förm", "mültipart", "äddress"]


def test_silence_and_topic_are_kept(sandbox: Sandbox) -> None:
    group = -1001234567890
    answer = call(
        sandbox,
        "sendMessage",
        chat_id=group,
        text="x",
        message_thread_id=9,
        disable_notification=True,
    )
    assert answer.json()["result"]["message_thread_id"] == 9
    [message] = sandbox.messages(group)
    assert (message.thread_id, message.silent) == (9, True)


@pytest.mark.parametrize(
    ("status", "code", "description"),
    [
        ("unknown", 400, "Bad Request: chat not found"),
        ("blocked", 403, "Forbidden: bot was blocked by the user"),
        ("deactivated", 403, "Forbidden: user is deactivated"),
        ("kicked", 403, "Forbidden: bot was kicked from the private chat"),
        ("no_rights", 400, "Bad Request: not enough rights to send text messages to the chat"),
        ("topic_closed", 400, "Bad Request: TOPIC_CLOSED"),
    ],
)
def test_a_chat_that_refuses_us_says_why_and_records_nothing(
    sandbox: Sandbox, status: str, code: int, description: str
) -> None:
    sandbox.set_chat(7, status)
    answer = call(sandbox, "sendMessage", chat_id=7, text="x")
    assert (answer.status_code, answer.json()["description"]) == (code, description)
    assert sandbox.messages() == []
    sandbox.set_chat(7, "ok")
    assert call(sandbox, "sendMessage", chat_id=7, text="x").status_code == 200


def test_a_migrated_group_names_its_new_id(sandbox: Sandbox) -> None:
    sandbox.set_chat(-5, "migrated", migrate_to=-1001234567890)
    answer = call(sandbox, "sendMessage", chat_id=-5, text="x").json()
    assert answer["description"] == "Bad Request: group chat was upgraded to a supergroup chat"
    assert answer["parameters"] == {"migrate_to_chat_id": -1001234567890}


@pytest.mark.parametrize(
    ("path", "status", "description"),
    [
        ("/bot99:not-ours/getMe", 401, "Unauthorized"),
        ("/botnonsense/getMe", 404, "Not Found"),
        ("/bot/getMe", 404, "Not Found"),
        ("/getMe", 404, "Not Found"),
        ("/bot{token}/flyToTheMoon", 404, "Not Found: method not found"),
    ],
)
def test_a_wrong_token_or_path_is_refused(
    sandbox: Sandbox, path: str, status: int, description: str
) -> None:
    answer = requests.get(sandbox.url + path.format(token=sandbox.token), timeout=10)
    assert answer.status_code == status
    assert answer.json() == {"ok": False, "error_code": status, "description": description}


@pytest.mark.parametrize("body", ['{"chat_id": 7', "[]", '"x"', "\xff", "[" * 100_000])
def test_a_malformed_request_gets_400_with_an_empty_body(sandbox: Sandbox, body: str) -> None:
    answer = requests.post(
        f"{sandbox.url}/bot{sandbox.token}/sendMessage",
        data=body.encode("latin-1"),
        headers={"Content-Type": "application/json"},
        timeout=10,
    )
    assert (answer.status_code, answer.content) == (400, b"")


def test_a_body_above_a_megabyte_gets_413_with_an_empty_body(sandbox: Sandbox) -> None:
    answer = call(sandbox, "sendMessage", chat_id=7, text="x" * 2_000_000)
    assert (answer.status_code, answer.content) == (413, b"")


def test_get_me_proves_the_token(sandbox: Sandbox) -> None:
    result = call(sandbox, "getMe").json()["result"]
    assert result["id"] == int(sandbox.token.split(":")[0])
    assert result["is_bot"] is True


def test_a_visible_chat_proves_no_right_to_write(sandbox: Sandbox) -> None:
    sandbox.set_chat(7, "blocked")
    assert call(sandbox, "getChat", chat_id=7).status_code == 200
    assert call(sandbox, "sendChatAction", chat_id=7, action="typing").status_code == 403


def test_updates_without_an_offset_are_lost_to_nobody(sandbox: Sandbox) -> None:
    sandbox.receive(-1001234567890, "/start@sandbox_bot", thread_id=3)
    sandbox.receive("@a_channel", "hello")
    first = call(sandbox, "getUpdates").json()["result"]
    assert first[0]["message"]["chat"]["id"] == -1001234567890
    assert first[0]["message"]["message_thread_id"] == 3
    assert first[1]["channel_post"]["chat"]["username"] == "a_channel"
    assert call(sandbox, "getUpdates").json()["result"] == first
    later = call(sandbox, "getUpdates", offset=first[1]["update_id"]).json()["result"]
    assert later == first[1:]


def test_requests_are_listed_with_their_start_and_parameters(sandbox: Sandbox) -> None:
    call(sandbox, "sendMessage", chat_id=7, text="x", link_preview_options={"is_disabled": True})
    call(sandbox, "sendMessage", chat_id=7)
    accepted, refused = sandbox.requests
    assert json.loads(accepted.parameters["link_preview_options"]) == {"is_disabled": True}
    assert (accepted.status, refused.status) == (200, 400)
    assert accepted.started_monotonic < refused.started_monotonic


def test_waiting_for_messages_ends_with_them_or_with_a_sentence(sandbox: Sandbox) -> None:
    call(sandbox, "sendMessage", chat_id=7, text="x")
    assert len(sandbox.wait_for(1, 5)) == 1
    with pytest.raises(TimeoutError, match=r"1 of 2 messages arrived in 0\.01 s"):
        sandbox.wait_for(2, 0.01)


def test_a_stopped_sandbox_starts_again_on_its_port_and_keeps_its_messages() -> None:
    sandbox = Sandbox()
    with sandbox:
        url = sandbox.url
        call(sandbox, "sendMessage", chat_id=7, text="x")
    with pytest.raises(requests.ConnectionError):
        call(sandbox, "getMe")
    with sandbox:
        assert sandbox.url == url
        assert call(sandbox, "getMe").status_code == 200
    assert len(sandbox.messages()) == 1
