"""`manage.py chats test` and `discover`, and the doctor's look at chats, against the sandbox."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import TOKEN, Desk, make_desk

from attendance.sandbox import Sandbox

GROUP = "-1001234567890"


@pytest.fixture
def telegram() -> Iterator[Sandbox]:
    with Sandbox(0) as running:
        yield running


@pytest.fixture
def configured(desk: Desk, telegram: Sandbox) -> Desk:
    desk.environ |= {"TELEGRAM_API_BASE": telegram.url, "TELEGRAM_BOT_TOKEN": telegram.token}
    return desk


class TestTesting:
    def test_a_message_arrives_that_people_see(self, configured: Desk, telegram: Sandbox) -> None:
        said = configured.done("chats", "test", "--topic", "5", "--", GROUP)

        (message,) = telegram.messages(GROUP)
        assert said == f"The chat {GROUP} has the test message, as its number {message.id}.\n"
        assert message.text == "🔔 A test of this chat: attendance will be told here."
        assert message.thread_id == 5
        assert configured.rows("SELECT * FROM outbox") == []

    @pytest.mark.slow
    def test_it_reaches_a_paused_chat_too_and_says_so(
        self, configured: Desk, telegram: Sandbox
    ) -> None:
        configured.done("chats", "add", "2000")
        configured.done("chats", "pause", "2000")

        said = configured.done("chats", "test", "2000")

        (message,) = telegram.messages("2000")
        assert said.splitlines() == [
            f"The chat 2000 has the test message, as its number {message.id}.",
            "The chat 2000 is paused: `manage.py chats resume -- 2000`. All but this test waits.",
        ]

    def test_the_general_topic_has_no_number(self, configured: Desk, telegram: Sandbox) -> None:
        configured.done("chats", "test", "--topic", "1", GROUP)

        assert telegram.messages(GROUP)[0].thread_id is None

    def test_it_is_audited_and_counted_by_the_pace(self, configured: Desk) -> None:
        configured.done("chats", "test", GROUP)

        (entry,) = configured.audited("chat.tested")
        assert (entry["actor_type"], entry["outcome"], entry["target_id"]) == (
            *("os_user", "success", GROUP),
        )
        assert [row["lane"] for row in configured.rows("SELECT lane FROM outbox_start")] == [GROUP]

    @pytest.mark.slow
    def test_it_learns_what_a_known_chat_is_called(
        self, configured: Desk, telegram: Sandbox
    ) -> None:
        telegram.set_chat(GROUP, title="Engines")
        configured.done("chats", "add", GROUP)
        configured.done("chats", "add", "--title", "Ada", "2000")

        configured.done("chats", "test", GROUP)
        configured.done("chats", "test", "2000")

        rows = configured.json("chats", "list")
        assert [(row["type"], row["title"]) for row in rows] == [
            ("supergroup", "Engines"),
            ("private", "Ada"),
        ]

    @pytest.mark.parametrize(
        ("status", "error", "remedy"),
        [
            ("blocked", "403 Forbidden: bot was blocked by the user", "not block it"),
            ("unknown", "400 Bad Request: chat not found", "/start"),
            ("kicked", "403 Forbidden: bot was kicked", "as a member"),
            ("no_rights", "400 Bad Request: not enough rights", "may write"),
            ("topic_closed", "400 Bad Request: TOPIC_CLOSED", "has to be open"),
            ("migrated", "400 Bad Request: group chat was upgraded", "lives on as -100200: use"),
        ],
    )
    def test_a_refusal_is_told_with_its_remedy(
        self, configured: Desk, telegram: Sandbox, status: str, error: str, remedy: str
    ) -> None:
        telegram.set_chat(GROUP, status, migrate_to="-100200")

        result = configured.run("chats", "test", "--", GROUP)

        assert result.exit_code == 1
        assert result.stderr.startswith(f"Error: {error}")
        assert remedy in result.stderr
        (entry,) = configured.audited("chat.tested")
        assert (entry["outcome"], entry["target_id"]) == ("refused", GROUP)
        assert entry["reason"].startswith(error)

    @pytest.mark.parametrize(
        ("fault", "remedy"),
        [
            ({"kind": "retry_after", "seconds": 7}, "try again in 7 s"),
            ({"kind": "drop"}, "the message may be there"),
            ({"kind": "answer", "status": 502, "body": "<html>"}, "the message may be there"),
            ({"kind": "answer", "status": 401, "body": "{}"}, "TELEGRAM_BOT_TOKEN"),
        ],
    )
    def test_so_is_trouble_on_the_way(
        self, configured: Desk, telegram: Sandbox, fault: dict[str, Any], remedy: str
    ) -> None:
        telegram.fault(**fault, method="sendMessage")

        result = configured.run("chats", "test", GROUP)

        assert result.exit_code == 1
        assert remedy in result.stderr

    @pytest.mark.slow
    def test_a_group_that_moved_is_tested_where_it_lives(
        self, configured: Desk, telegram: Sandbox
    ) -> None:
        configured.done("chats", "add", "--", "-200")
        configured.execute("UPDATE chat SET migrated_to = ? WHERE chat_id = '-200'", GROUP)

        configured.done("chats", "test", "--", "-200")

        assert len(telegram.messages(GROUP)) == 1

    def test_where_the_rate_is_used_up_nothing_is_sent(
        self, configured: Desk, telegram: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("attendance.cli.chats.test._RATE_PATIENCE_SECONDS", 0.0)
        configured.done("chats", "test", GROUP, OUTBOX_RATE_GROUP="1/60s")

        result = configured.run("chats", "test", GROUP, OUTBOX_RATE_GROUP="1/60s")

        assert result.exit_code == 1
        assert "is used up: try again in a minute" in result.stderr
        assert len(telegram.messages()) == 1

    @pytest.mark.parametrize("command", [("test", GROUP), ("discover",)])
    def test_it_needs_a_token(self, desk: Desk, command: tuple[str, ...]) -> None:
        result = desk.run("chats", *command)

        assert result.exit_code == 1
        assert result.stderr.startswith("Error: TELEGRAM_BOT_TOKEN is not set: set it")


class TestDiscovering:
    def test_each_chat_and_topic_comes_with_a_line_to_paste(
        self, configured: Desk, telegram: Sandbox
    ) -> None:
        telegram.set_chat(GROUP, title="Engines & Co")
        telegram.receive(GROUP, "/start@sandbox_bot", thread_id=5)
        telegram.receive("2000")

        assert configured.done("chats", "discover").splitlines() == [
            "supergroup Engines & Co",
            f"  manage.py chats add --title 'Engines & Co' -- {GROUP}",
            f"  manage.py chats add --topic 5 -- {GROUP}",
            "private Person 2000",
            "  manage.py chats add --title 'Person 2000' -- 2000",
        ]

    def test_it_confirms_nothing(self, configured: Desk, telegram: Sandbox) -> None:
        telegram.receive("2000")

        first, second = (configured.done("chats", "discover") for _ in range(2))

        assert first == second
        assert [request.parameters for request in telegram.requests] == [{}, {}]

    def test_the_same_for_programs(self, configured: Desk, telegram: Sandbox) -> None:
        telegram.receive("2000")

        assert json.loads(configured.done("chats", "discover", "--json")) == [
            {"chat": {"id": "2000", "type": "private", "title": "Person 2000"}, "topics": {}}
        ]

    def test_a_title_cannot_steer_a_terminal(self, configured: Desk, telegram: Sandbox) -> None:
        telegram.set_chat("2000", title="Eve\x1b[2J\x9b2J; rm\u202e x")
        telegram.receive("2000")

        said = configured.done("chats", "discover")

        assert said.replace("\n", "").isprintable()
        assert "'Eve [2J 2J; rm x'" in said

    def test_where_nobody_has_spoken_it_says_how_to_be_found(self, configured: Desk) -> None:
        said = configured.done("chats", "discover")

        for word in ("privacy", "add the bot", "/start", "channel", "topic", "24 hours"):
            assert word in said
        assert json.loads(configured.done("chats", "discover", "--json")) == []

    def test_a_webhook_is_explained(self, configured: Desk, telegram: Sandbox) -> None:
        description = "Conflict: can't use getUpdates method while webhook is active"
        body = json.dumps({"ok": False, "error_code": 409, "description": description})
        telegram.fault("answer", status=409, body=body, method="getUpdates")

        result = configured.run("chats", "discover")

        assert result.exit_code == 1
        assert result.stderr.startswith(f"Error: 409 {description}\nA webhook is set")
        assert "deleteWebhook" in result.stderr

    def test_a_wrong_token_is_told_and_not_shown(self, configured: Desk) -> None:
        result = configured.run("chats", "discover", TELEGRAM_BOT_TOKEN=TOKEN)

        assert result.exit_code == 1
        assert "401 Unauthorized. Check TELEGRAM_BOT_TOKEN" in result.stderr
        assert TOKEN.partition(":")[2] not in result.stderr


class TestTheDoctor:
    def _findings(self, desk: Desk, code: int, **environ: str) -> dict[str, dict[str, Any]]:
        result = desk.run("doctor", "--json", TELEGRAM_CHAT_ID="1000", **environ)
        assert result.exit_code == code, result.stdout
        return {one["subject"]: one for one in json.loads(result.stdout)}

    @pytest.mark.slow
    def test_it_asks_after_the_default_chat_and_each_destination_without_a_message(
        self, configured: Desk, telegram: Sandbox
    ) -> None:
        configured.done("chats", "add", "--site", "HQ", GROUP)

        found = self._findings(configured, 0)

        assert found["chat 1000"]["found"] == "private Person 1000: the bot may write there"
        assert found[f"chat {GROUP}"]["state"] == "ok"
        assert telegram.messages() == []

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("status", "words"),
        [("unknown", "not seen: 400"), ("no_rights", "supergroup Group 1234567890: 400")],
    )
    def test_a_chat_that_is_not_seen_or_may_not_be_written_to_is_a_failure(
        self, configured: Desk, telegram: Sandbox, status: str, words: str
    ) -> None:
        configured.done("chats", "add", GROUP)
        telegram.set_chat(GROUP, status)

        found = self._findings(configured, 1)[f"chat {GROUP}"]

        assert found["found"].startswith(words)
        assert "may write" in found["remedy"]

    @pytest.mark.parametrize(
        ("variable", "value", "words"),
        [
            ("OUTBOX_RATE_OVERALL", "31/1s", "is 31/1s, and Telegram takes about 30/1s"),
            ("OUTBOX_RATE_CHAT", "off", "is off, and Telegram takes about 1/1s"),
            ("OUTBOX_RATE_GROUP", "1/1s", "is 1/1s, and Telegram takes about 20/60s"),
        ],
    )
    def test_a_pace_that_telegram_does_not_take_is_a_warning(
        self, configured: Desk, variable: str, value: str, words: str
    ) -> None:
        found = self._findings(configured, 0, **{variable: value})["pace"]

        assert (found["state"], found["found"]) == ("warn", f"{variable} {words}")
        assert "429" in found["remedy"]

    def test_a_slower_pace_is_fine(self, configured: Desk) -> None:
        assert self._findings(configured, 0, OUTBOX_RATE_GROUP="10/60s")["pace"]["state"] == "ok"

    @pytest.mark.slow
    def test_a_wrong_template_stops_the_service_before_it_makes_a_database(
        self, tmp_path: Path
    ) -> None:
        desk = make_desk(tmp_path)

        result = desk.process("serve", NOTICE_TEMPLATE_LATE="*{person}")

        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: NOTICE_TEMPLATE_LATE is refused by Telegram (Can't")
        assert not desk.path.exists()

    def test_a_wrong_template_is_found(self, configured: Desk) -> None:
        found = self._findings(configured, 1, NOTICE_TEMPLATE="{persn}")

        assert list(found) == ["settings"]
        assert found["settings"]["found"].startswith("NOTICE_TEMPLATE has {persn}")
