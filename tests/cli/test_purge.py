"""`manage.py outbox purge`: what is done with goes before its time, what is not stays."""

import json

import pytest
from commands import Desk

pytestmark = pytest.mark.slow

STATUSES = ("sent", "failed", "uncertain", "cancelled", "pending")


@pytest.fixture
def messages(desk: Desk) -> dict[str, int]:
    """A message of each status but `sending`, settled 40 days ago, and one that was sent now."""
    made = {status: desk.message(status) for status in STATUSES}
    aged = "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-40 days')"
    desk.execute(f"UPDATE outbox SET settled_at = {aged} WHERE settled_at IS NOT NULL")  # noqa: S608
    return {**made, "new": desk.message("sent")}


def left(desk: Desk, messages: dict[str, int]) -> set[str]:
    return {name for name, message in messages.items() if message in desk.statuses()}


def test_only_what_was_sent_or_cancelled_is_purged(desk: Desk, messages: dict[str, int]) -> None:
    assert desk.done("outbox", "purge", "--older-than", "30d") == "2 messages purged.\n"
    assert left(desk, messages) == {"failed", "uncertain", "pending", "new"}


def test_without_an_age_the_setting_counts(desk: Desk, messages: dict[str, int]) -> None:
    assert desk.done("outbox", "purge") == "0 messages purged.\n"
    purged = desk.done("outbox", "purge", OUTBOX_RETENTION_DAYS="39")
    assert purged == "2 messages purged.\n"
    assert "sent" not in left(desk, messages)


def test_a_dry_run_changes_nothing(desk: Desk, messages: dict[str, int]) -> None:
    said = desk.done("outbox", "purge", "--older-than", "30d", "--dry-run")
    assert said == "2 messages would be purged.\n"
    assert left(desk, messages) == set(messages)
    assert desk.audited("outbox.pruned") == []


def test_a_purge_is_audited(desk: Desk, messages: dict[str, int]) -> None:
    desk.done("outbox", "purge", "--older-than", "30d", "--reason", "privacy policy")
    [entry] = desk.audited("outbox.pruned")
    assert (entry["actor_type"], entry["reason"]) == ("os_user", "privacy policy")
    after = json.loads(entry["after_json"])
    assert (after["messages"], after["first_id"]) == (2, messages["sent"])


@pytest.mark.parametrize("age", ["59m", "0s", "2999-01-01"])
def test_what_may_yet_be_noted_is_not_purged(desk: Desk, age: str) -> None:
    result = desk.run("outbox", "purge", "--older-than", age)
    assert (result.exit_code, "1h or more" in result.stderr) == (2, True)
