"""/outbox: what waits, what failed, and an admin's hand on it."""

import json
from typing import Any

import pytest
from calling import Api, assert_problem

SETTLED = ("sent", "failed", "uncertain", "cancelled")


@pytest.fixture
def messages(api: Api) -> dict[str, int]:
    """A message of each settled status, and one that is pending; their ids."""
    ids = {status: api.enqueue(text=status) for status in SETTLED}
    for status, message_id in ids.items():
        api.settle(message_id, status, error=f"{status}: blocked by the user")
    return {**ids, "pending": api.enqueue(text="pending")}


def _claim(api: Api, message_id: int) -> None:
    """What a dispatcher does before it sends."""
    api.execute(
        "UPDATE outbox SET status='sending', attempts=1, token=?, claimed_by='host-1', "
        "claimed_at='2026-11-23T12:00:00.000000Z' WHERE id=?",
        *("deadbeef" * 4, message_id),
    )


def _attempt(api: Api, message_id: int, number: int, outcome: str) -> None:
    api.execute(
        "INSERT INTO outbox_attempt (outbox_id, number, token, claimed_by, started_at, ended_at, "
        "outcome, error) VALUES (?, ?, 'deadbeef', 'host-1', '2026-11-23T11:00:00.000000Z', "
        "'2026-11-23T11:00:01.000000Z', ?, 'no')",
        *(message_id, number, outcome),
    )


def _statuses(api: Api) -> dict[int, str]:
    return {row["id"]: row["status"] for row in api.page("/outbox")}


def test_a_message_is_listed_with_what_an_auditor_reads(api: Api) -> None:
    api.record()

    (message,) = api.page("/outbox")

    expected = {"id": 1, "status": "pending", "attempts": 0, "chat_id": "1000", "sent_at": None}
    assert {name: message[name] for name in expected} == expected
    assert message["text"].startswith("✅ *Ada Lovelace*")
    assert {"last_error", "created_at", "telegram_message_id"} <= set(message)


@pytest.mark.parametrize("status", [*SETTLED, "pending"])
def test_the_list_is_filtered_by_status(api: Api, messages: dict[str, int], status: str) -> None:
    assert [row["id"] for row in api.page(f"/outbox?status={status}")] == [messages[status]]


def test_the_list_is_filtered_by_chat(api: Api) -> None:
    group = api.enqueue(chat_id="-1001234567890")
    api.enqueue(chat_id="1000")

    assert [row["id"] for row in api.page("/outbox?chat=-1001234567890")] == [group]
    assert api.page("/outbox?chat=17") == []


def test_a_status_that_there_is_not_is_refused(api: Api) -> None:
    assert_problem(api.get("/outbox?status=lost"), 422)


def test_one_message_is_shown_with_its_attempts(api: Api, messages: dict[str, int]) -> None:
    _attempt(api, messages["failed"], 1, "uncertain")
    _attempt(api, messages["failed"], 2, "rejected")

    found = api.get(f"/outbox/{messages['failed']}").get_json()

    assert found["status"] == "failed"
    assert [(one["number"], one["outcome"]) for one in found["attempt_list"]] == [
        (1, "uncertain"),
        (2, "rejected"),
    ]


def test_no_claim_s_token_is_ever_shown(api: Api) -> None:
    message_id = api.enqueue()
    api.execute(
        "UPDATE outbox SET status='sending', token='cafebabe', claimed_by='host-1', "
        "claimed_at='2026-11-23T12:00:00.000000Z', attempts=1"
    )
    _attempt(api, message_id, 1, "late")

    for path in ("/outbox", f"/outbox/{message_id}"):
        answer = api.get(path)
        assert "host-1" in answer.text
        assert "token" not in answer.text
        assert "cafebabe" not in answer.text
        assert "deadbeef" not in answer.text


@pytest.mark.parametrize("status", ["failed", "uncertain", "cancelled"])
def test_a_settled_message_is_retried(api: Api, messages: dict[str, int], status: str) -> None:
    api.clock.advance(60)

    answer = api.post({"reason": "readmitted"}, f"/outbox/{messages[status]}/retry", role="admin")

    assert answer.status_code == 200
    shown = answer.get_json()
    assert (shown["status"], shown["attempts"]) == ("pending", 1)
    assert shown["due_at"] == shown["give_up_from"] == "2026-11-23T12:01:00.000000Z"
    assert shown["last_error"]
    assert api.services.wake.is_set()


PARKED = [
    ("paused", "probe_at=NULL, refused_since=NULL"),
    ("parked", "probe_at='2026-11-23T13:00:00.000000Z', refused_since=parked_at"),
]


@pytest.mark.parametrize("path", ["/outbox/{}/retry", "/outbox/retry"])
@pytest.mark.parametrize(("how", "bears"), PARKED, ids=[how for how, _ in PARKED])
def test_who_retries_into_a_chat_that_takes_nothing_is_told(
    api: Api, messages: dict[str, int], path: str, how: str, bears: str
) -> None:
    api.execute("UPDATE chat SET parked_at='2026-11-23T12:00:00.000000Z', park_reason='x'")
    api.execute(f"UPDATE chat SET {bears}")  # noqa: S608

    answer = api.call("POST", path.format(messages["failed"])).get_json()

    said = f" went back to pending. The chat 1000 is {how}: `manage.py chats resume -- 1000`."
    assert answer["message"][1:] == said


def test_of_what_waits_for_a_paused_chat_already_that_is_said(
    api: Api, messages: dict[str, int]
) -> None:
    api.execute("UPDATE chat SET parked_at='2026-11-23T12:00:00.000000Z', park_reason='x'")
    waits = messages["pending"]

    one = api.call("POST", f"/outbox/{waits}/retry")
    several = api.post({"ids": [waits]}, "/outbox/retry", role="admin")

    said = "The chat 1000 is paused: `manage.py chats resume -- 1000`."
    assert one.status_code == 409
    assert one.get_json()["detail"] == f"Message {waits} is pending already. {said}"
    assert several.get_json()["message"] == f"0 went back to pending. {said}"


def test_of_a_chat_that_takes_messages_nothing_is_said(api: Api, messages: dict[str, int]) -> None:
    answer = api.call("POST", f"/outbox/{messages['failed']}/retry").get_json()

    assert answer["message"] == "1 went back to pending."


def test_a_retry_is_audited_with_actor_and_reason(api: Api, messages: dict[str, int]) -> None:
    api.post({"reason": "readmitted"}, f"/outbox/{messages['failed']}/retry", role="admin")

    (entry,) = api.audited()
    assert (entry["action"], entry["outcome"]) == ("outbox.retried", "success")
    assert (entry["actor_name"], entry["reason"]) == ("admin", "readmitted")
    assert (entry["target_type"], entry["target_id"]) == ("outbox", str(messages["failed"]))
    assert json.loads(entry["before_json"]) == {"status": "failed"}
    assert json.loads(entry["after_json"]) == {"status": "pending"}


@pytest.mark.parametrize("action", ["retry", "cancel"])
def test_a_change_needs_no_body(api: Api, messages: dict[str, int], action: str) -> None:
    answer = api.call("POST", f"/outbox/{messages['failed']}/{action}")

    assert answer.status_code == 200
    assert api.audited()[0]["reason"] is None


@pytest.mark.parametrize(
    ("status", "action", "why"),
    [
        ("pending", "retry", " already: it goes out by itself."),
        ("sending", "retry", ": it is on its way already."),
        ("sent", "retry", ": only what is failed, uncertain or cancelled can be retried."),
        ("sending", "cancel", ", on its way to Telegram: try again once that has ended."),
        ("sent", "cancel", " already: it cannot be called back."),
        ("cancelled", "cancel", " already."),
    ],
)
def test_a_message_of_another_status_is_left_alone(
    api: Api, messages: dict[str, int], status: str, action: str, why: str
) -> None:
    if status == "sending":
        messages = {"sending": messages["pending"]}
        _claim(api, messages["sending"])
    answer = api.call("POST", f"/outbox/{messages[status]}/{action}")

    problem = assert_problem(answer, 409, "wrong_status")
    assert problem["detail"] == f"Message {messages[status]} is {status}{why}"
    assert _statuses(api)[messages[status]] == status
    (entry,) = api.audited()
    assert (entry["outcome"], entry["target_type"]) == ("refused", "outbox")
    assert entry["target_id"] == str(messages[status])


@pytest.mark.parametrize("action", ["retry", "cancel"])
def test_a_message_that_there_is_not_is_a_404(api: Api, action: str) -> None:
    assert_problem(api.call("POST", f"/outbox/4711/{action}"), 404, "not_found")
    assert_problem(api.get("/outbox/4711"), 404, "not_found")


@pytest.mark.parametrize("status", ["pending", "failed", "uncertain"])
def test_a_message_is_cancelled(api: Api, messages: dict[str, int], status: str) -> None:
    answer = api.post({"reason": "by mail"}, f"/outbox/{messages[status]}/cancel", role="admin")

    assert answer.get_json()["status"] == "cancelled"
    (entry,) = api.audited()
    assert (entry["action"], entry["reason"]) == ("outbox.cancelled", "by mail")
    assert json.loads(entry["before_json"]) == {"status": status}


def test_without_a_filter_every_failed_and_uncertain_message_is_retried(
    api: Api, messages: dict[str, int]
) -> None:
    answer = api.call("POST", "/outbox/retry")

    ids = [messages["failed"], messages["uncertain"]]
    assert answer.get_json() == {
        "status": "SUCCESS",
        "message": "2 went back to pending.",
        "retried": ids,
        "refused": [],
    }
    assert {_statuses(api)[one] for one in ids} == {"pending"}
    assert _statuses(api)[messages["cancelled"]] == "cancelled"
    assert [entry["target_id"] for entry in api.audited()] == [str(one) for one in ids]


@pytest.mark.parametrize(
    ("chosen", "retried"),
    [
        ({"error": "BLOCKED"}, ["failed", "uncertain"]),
        ({"error": "uncertain: blocked"}, ["uncertain"]),
        ({"error": "%"}, []),
        ({"chat_id": "1000"}, ["failed", "uncertain"]),
        ({"chat_id": "17"}, []),
        ({"since": "2026-11-23T12:00:00Z"}, ["failed", "uncertain"]),
        ({"since": "2026-11-23T12:00:01Z"}, []),
        ({"error": "failed:", "chat_id": "1000"}, ["failed"]),
    ],
)
def test_a_filter_chooses_what_is_retried(
    api: Api, messages: dict[str, int], chosen: dict[str, str], retried: list[str]
) -> None:
    answer = api.post({**chosen, "reason": "x"}, "/outbox/retry", role="admin").get_json()

    assert answer["retried"] == [messages[status] for status in retried]
    assert len(api.audited()) == len(retried)


def test_of_named_messages_the_rest_is_reported(api: Api, messages: dict[str, int]) -> None:
    named = [messages["cancelled"], messages["sent"], 4711]

    answer = api.post({"ids": named}, "/outbox/retry", role="admin").get_json()

    assert answer["retried"] == [messages["cancelled"]]
    assert answer["refused"] == [
        {"id": messages["sent"], "status": "sent"},
        {"id": 4711, "status": None},
    ]
    assert [(row["target_id"], row["outcome"], row["reason"]) for row in api.audited()] == [
        (str(messages["cancelled"]), "success", None),
        (str(messages["sent"]), "refused", "It is sent."),
        ("4711", "refused", "There is no such message."),
    ]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"ids": [0]}, "/ids/0"),
        ({"ids": [1, 2**63]}, "/ids/1"),
        ({"ids": ["1"]}, "/ids/0"),
        ({"ids": [1.5]}, "/ids/0"),
        ({"ids": 1}, "/ids"),
        ({"ids": list(range(1, 502))}, "/ids"),
        ({"reason": ""}, "/reason"),
        ({"reason": "x" * 501}, "/reason"),
        ({"since": "12h"}, "/since"),
        ({"status": "sent"}, "/status"),
    ],
)
def test_a_wrong_choice_is_refused_and_changes_nothing(
    api: Api, messages: dict[str, int], body: dict[str, Any], pointer: str
) -> None:
    before = _statuses(api)

    problem = assert_problem(api.post(body, "/outbox/retry", role="admin"), 422)

    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert _statuses(api) == before
    assert len(messages) == len(before)
