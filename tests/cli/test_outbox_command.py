"""`manage.py outbox`: what waits, what failed, and back it goes."""

import json
import os
import pwd

import pytest
from commands import Desk

SETTLED = ("sent", "failed", "uncertain", "cancelled")


@pytest.fixture
def messages(desk: Desk) -> dict[str, int]:
    """A message of each status but `sending`."""
    return {status: desk.message(status, error=f"{status} 50%") for status in (*SETTLED, "pending")}


@pytest.mark.slow
def test_without_arguments_every_failed_and_uncertain_message_goes_back(
    desk: Desk, messages: dict[str, int]
) -> None:
    assert desk.done("outbox", "retry") == "2 messages went back to pending.\n"

    after = {status: desk.statuses()[message] for status, message in messages.items()}
    assert after == {
        "sent": "sent",
        "failed": "pending",
        "uncertain": "pending",
        "cancelled": "cancelled",
        "pending": "pending",
    }


@pytest.mark.slow
def test_a_message_that_goes_back_keeps_its_history(desk: Desk, messages: dict[str, int]) -> None:
    before = desk.json("outbox", "show", str(messages["failed"]))

    desk.done("outbox", "retry", str(messages["failed"]))

    after = desk.json("outbox", "show", str(messages["failed"]))
    assert (after["attempts"], after["last_error"]) == (3, "failed 50%")
    assert after["give_up_from"] > before["give_up_from"]


def test_a_retry_is_audited_with_the_os_user_and_the_reason(
    desk: Desk, messages: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)

    desk.done("outbox", "retry", "--reason", "bot was readmitted")

    entries = desk.audited("outbox.retried")
    assert [entry["target_id"] for entry in entries] == [
        str(messages["failed"]),
        str(messages["uncertain"]),
    ]
    for entry in entries:
        assert (entry["actor_type"], entry["actor_id"]) == ("os_user", str(os.getuid()))
        assert entry["actor_name"] == pwd.getpwuid(os.getuid()).pw_name
        assert entry["reason"] == "bot was readmitted"
        assert json.loads(entry["after_json"]) == {"status": "pending"}


@pytest.mark.slow
def test_a_dry_run_counts_and_changes_nothing(desk: Desk, messages: dict[str, int]) -> None:
    before = desk.rows("SELECT * FROM outbox"), desk.rows("SELECT * FROM audit")

    answer = desk.done("outbox", "retry", "--dry-run", "--reason", "x")

    assert answer == "2 messages would go back to pending.\n"
    assert (desk.rows("SELECT * FROM outbox"), desk.rows("SELECT * FROM audit")) == before
    assert len(messages) == len(before[0])


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--error", "FAILED"), 1),
        (("--error", "50%"), 2),
        (("--error", "5_%"), 0),
        (("--chat", "1000"), 2),
        (("--chat", "-1001234567890"), 0),
        (("--since", "1h"), 2),
        (("--since", "2000-01-01"), 2),
        (("--since", "2999-01-01T00:00:00+01:00"), 0),
        (("--error", "failed", "--chat", "17"), 0),
    ],
)
def test_filters_choose(
    desk: Desk, messages: dict[str, int], options: tuple[str, ...], count: int
) -> None:
    answer = desk.done("outbox", "retry", *options)

    word = "1 message" if count == 1 else f"{count} messages"
    assert answer == f"{word} went back to pending.\n"
    pending = [status for status in desk.statuses().values() if status == "pending"]
    assert len(pending) == count + 1
    assert len(messages) == 5


@pytest.mark.slow
def test_messages_may_be_named_cancelled_ones_too(desk: Desk, messages: dict[str, int]) -> None:
    named = [str(messages[status]) for status in ("failed", "cancelled")]

    assert desk.done("outbox", "retry", *named) == "2 messages went back to pending.\n"
    assert desk.statuses()[messages["uncertain"]] == "uncertain"


@pytest.mark.parametrize("status", ["sent", "pending"])
def test_a_message_of_another_status_is_left_alone_and_the_exit_code_says_so(
    desk: Desk, messages: dict[str, int], status: str
) -> None:
    before = desk.rows("SELECT * FROM outbox")

    result = desk.run("outbox", "retry", str(messages[status]))

    assert (result.exit_code, result.stdout) == (1, "0 messages went back to pending.\n")
    assert result.stderr == (
        f"Message {messages[status]} is {status}, not failed, uncertain or cancelled: left alone.\n"
    )
    assert desk.rows("SELECT * FROM outbox") == before


@pytest.mark.slow
def test_what_can_be_retried_is_although_the_rest_is_refused(
    desk: Desk, messages: dict[str, int]
) -> None:
    result = desk.run("outbox", "retry", str(messages["failed"]), str(messages["sent"]), "4711")

    assert result.exit_code == 1
    assert result.stdout == "1 message went back to pending.\n"
    assert "Message 4711 does not exist" in result.stderr
    assert desk.statuses()[messages["failed"]] == "pending"
    assert [(row["target_id"], row["outcome"]) for row in desk.audited("outbox.retried")] == [
        (str(messages["failed"]), "success"),
        (str(messages["sent"]), "refused"),
        ("4711", "refused"),
    ]


def test_a_named_message_that_the_filter_leaves_out_is_not_denied(
    desk: Desk, messages: dict[str, int]
) -> None:
    result = desk.run("outbox", "retry", str(messages["failed"]), "--chat", "17")

    assert result.exit_code == 1
    assert "is failed, but not what the options ask for" in result.stderr


@pytest.mark.slow
def test_a_paused_chat_is_pointed_out(desk: Desk, messages: dict[str, int]) -> None:
    desk.done("chats", "pause", "1000")

    answer = desk.done("outbox", "retry", str(messages["failed"]))

    assert "The chat 1000 is paused: `manage.py chats resume -- 1000`." in answer


@pytest.mark.parametrize("status", ["pending", "failed", "uncertain"])
def test_a_message_is_cancelled(desk: Desk, messages: dict[str, int], status: str) -> None:
    answer = desk.done("outbox", "cancel", str(messages[status]), "--reason", "by mail")

    assert answer == "1 message cancelled.\n"
    assert desk.statuses()[messages[status]] == "cancelled"
    assert desk.audited("outbox.cancelled")[0]["reason"] == "by mail"


@pytest.mark.parametrize("status", ["sent", "cancelled"])
def test_what_is_over_is_not_cancelled(desk: Desk, messages: dict[str, int], status: str) -> None:
    result = desk.run("outbox", "cancel", str(messages[status]))

    assert result.exit_code == 1
    assert f"is {status}, not pending, failed or uncertain" in result.stderr
    assert [row["outcome"] for row in desk.audited("outbox.cancelled")] == ["refused"]


@pytest.mark.slow
def test_the_list_is_filtered_and_the_newest_comes_first(
    desk: Desk, messages: dict[str, int]
) -> None:
    group = desk.message("failed", chat="-1001234567890", error="blocked")

    assert [row["id"] for row in desk.json("outbox", "list")] == sorted(
        [*messages.values(), group], reverse=True
    )
    assert [row["id"] for row in desk.json("outbox", "list", "--status", "failed")] == [
        group,
        messages["failed"],
    ]
    assert [row["id"] for row in desk.json("outbox", "list", "--chat", "-1001234567890")] == [group]
    assert len(desk.json("outbox", "list", "--limit", "1")) == 1
    heading, line = desk.done("outbox", "list", "--limit", "1").splitlines()
    assert heading.split() == ["ID", "STATUS", "TRIES", "CHAT", "CREATED", "LAST", "ERROR"]
    assert line.split()[:4] == [str(group), "failed", "3", "-1001234567890"]


def test_a_long_error_has_a_line_in_the_table(desk: Desk) -> None:
    desk.message("failed", error="one\ntwo " + "x" * 200)

    assert len(desk.done("outbox", "list").splitlines()) == 2


def test_one_message_is_shown_with_its_attempts_and_no_token(desk: Desk) -> None:
    message_id = desk.message("failed", error="blocked")
    desk.execute(
        "INSERT INTO outbox_attempt (outbox_id, number, token, claimed_by, started_at, ended_at, "
        "outcome, error) VALUES (?, 3, 'cafebabe', 'host-1', '2026-11-23T11:00:00.000000Z', "
        "'2026-11-23T11:00:01.000000Z', 'parked', 'blocked')",
        message_id,
    )

    text, found = desk.done("outbox", "show", "1"), desk.json("outbox", "show", "1")

    assert found["attempt_list"][0]["outcome"] == "parked"
    assert ["last_error", "blocked"] in [line.split() for line in text.splitlines()]
    assert "TRY" in text
    assert "cafebabe" not in text + str(found)


def test_a_message_that_there_is_not_is_refused(desk: Desk) -> None:
    result = desk.run("outbox", "show", "17")

    assert (result.exit_code, result.stderr) == (1, "Error: There is no message 17.\n")


@pytest.mark.slow
def test_stats_count_by_status(desk: Desk, messages: dict[str, int]) -> None:
    found = desk.json("outbox", "stats")

    assert found["counts"] == {**dict.fromkeys(messages, 1), "sending": 0}
    assert found["sent_last_hour"] == 1
    assert found["oldest_due_age_seconds"] >= 0
    assert ["failed", "1"] in [line.split() for line in desk.done("outbox", "stats").splitlines()]
