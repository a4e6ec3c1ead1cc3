"""What waits for one chat goes out merged, and stays whole or falls apart as its end demands."""

import json
from dataclasses import replace
from typing import Any

import pytest
import tdjson
from bench import NINE, Bench
from grouped import GROUP, PACED, by_hand, ids, next_claim, write
from hypothesis import given
from hypothesis import strategies as st

from attendance.outbox import admin
from attendance.outbox.transport import (
    Delivered,
    Outgoing,
    Parked,
    Rejected,
    Retry,
)
from attendance.telegram.client import markup_of
from attendance.telegram.digest import merge
from attendance.telegram.markdown import markup
from attendance.telegram.markdown.text import bold, escape

pytestmark = pytest.mark.both_databases


def test_what_waits_is_merged_in_order_a_line_each(group: Bench) -> None:
    written = write(group, "Ada", "Bob", "Eve")
    claim = group.claim_one()
    assert ids(claim) == written
    assert claim.outgoing.text == "Ada\nBob\nEve"
    assert (claim.id, claim.outgoing.repeats, claim.outgoing.chat_id) == (written[0], False, GROUP)


def test_each_message_is_settled_with_the_shared_receipt(group: Bench) -> None:
    written = write(group, "Ada", "Bob", "Eve")
    told = group.settle_all(group.claim_one(), Delivered(77))
    rows = [group.row(message) for message in written]
    assert {(row["status"], row["telegram_message_id"], row["attempts"]) for row in rows} == {
        ("sent", 77, 1)
    }
    assert [one.message_id for one in told] == written
    assert [group.outcomes(message) for message in written] == [["delivered"]] * 3


def test_one_alone_goes_out_at_length(group: Bench) -> None:
    write(group, "Ada")
    assert group.claim_one().outgoing.text == "Ada, at length"


def test_off_never_merges(group: Bench) -> None:
    group.policy = replace(PACED, merge=None)
    written = write(group, "Ada", "Bob")
    assert ids(group.claim_one()) == written[:1]


@pytest.mark.parametrize(
    "other", [{"line": None}, {"thread_id": 7}, {"silent": True}], ids=["no line", "topic", "sound"]
)
def test_what_cannot_share_a_message_ends_the_digest(group: Bench, other: dict[str, Any]) -> None:
    first, second = write(group, "Ada", "Bob")
    third = group.enqueue(GROUP, "alone", **{"line": "x", **other})
    fourth = write(group, "Eve")[0]
    claim = group.claim_one()
    assert ids(claim) == [first, second]
    group.settle(claim, Delivered(1))
    for expected in (third, fourth):
        claim = next_claim(group)
        assert ids(claim) == [expected]
        group.settle(claim, Delivered(1))


def test_a_message_that_is_not_due_yet_is_not_overtaken(group: Bench) -> None:
    older, newer = write(group, "Ada", "Bob")
    by_hand(group, admin.cancel, [older])
    group.settle(group.claim_one(), Retry("refused"), jitter=0.999)
    by_hand(group, admin.retry, admin.Filter(ids=[older]))
    write(group, "Eve")
    group.clock.forward(9.9)
    group.database.write(
        lambda c: (
            c.exec_driver_sql(
                "UPDATE outbox SET due_at = '2026-11-23T10:00:00.000000Z' WHERE id = 2"
            )
            and None
        )
    )
    assert ids(group.claim_one()) == [older]
    assert group.status(newer) == "pending"


# --- refused ---


def test_a_rejected_digest_falls_apart_and_one_bad_line_takes_down_only_itself(
    group: Bench,
) -> None:
    good, bad, fine = write(group, "Ada", "B*b", "Eve")
    group.settle(group.claim_one(), Rejected("no"))
    later = write(group, "Zoe")[0]
    for message, outcome in ((good, Delivered(1)), (bad, Rejected("no")), (fine, Delivered(2))):
        claim = next_claim(group)
        assert ids(claim) == [message]
        assert claim.outgoing.text.endswith("at length")
        assert not claim.outgoing.repeats
        group.settle(claim, outcome)
    assert ids(next_claim(group)) == [later]
    assert [group.status(message) for message in (good, bad, fine)] == ["sent", "failed", "sent"]


def test_the_parts_of_a_digest_wait_for_a_chat_that_refuses_it(group: Bench) -> None:
    written = write(group, "Ada", "Bob")
    group.settle(group.claim_one(), Parked("blocked"))
    assert [group.status(message) for message in written] == ["pending", "pending"]
    group.clock.forward(60)
    assert group.claim() == []
    now = group.clock()
    group.database.write(lambda c: admin.resume(c, now, GROUP))
    assert ids(group.claim_one()) == written


def test_an_end_is_written_for_the_messages_that_are_still_the_claims(group: Bench) -> None:
    """Even where somebody has changed one of them in the database."""
    write(group, "Ada", "Bob", "Eve")
    claim = group.claim_one()
    group.database.write(
        lambda c: (
            c.exec_driver_sql(
                "UPDATE outbox SET status = 'cancelled', settled_at = created_at, token = NULL, "
                "claimed_at = NULL WHERE id = 2"
            )
            and None
        )
    )
    told = group.settle_all(claim, Delivered(5))
    assert {one.message_id: one.outcome for one in told} == {
        1: "delivered", 2: "late", 3: "delivered",
    }  # fmt: skip
    assert [group.status(message) for message in (1, 2, 3)] == ["sent", "cancelled", "sent"]


@pytest.mark.slow
def test_a_claim_of_one_message_of_many_costs_one_start(group: Bench) -> None:
    write(group, *map(str, range(250)))
    claim = group.claim_one()
    assert len(claim.messages) == 90
    assert claim.debit.starts_at == NINE


# --- within Telegram's limits ---


def td(request: dict[str, Any]) -> dict[str, Any]:
    """What Telegram's own library answers."""
    answer: dict[str, Any] = json.loads(tdjson.td_execute(json.dumps(request).encode()) or b"{}")
    return answer


def parsed(text: str) -> dict[str, Any]:
    mode = {"@type": "textParseModeMarkdown", "version": 2}
    return td({"@type": "parseTextEntities", "text": text, "parse_mode": mode})


NAMES = st.text(max_size=120)
LINES = st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=120)


@pytest.mark.slow
@given(LINES)
def test_a_digest_is_within_what_telegram_takes(parts: list[tuple[str, str, str]]) -> None:
    lines = [f"✅ {bold(a)} {escape(b)} {bold(c)}".replace("\n", " ") for a, b, c in parts]
    fits, text = merge(lines)
    sent = markup_of(Outgoing(id=10**9, chat_id="1", text=text, repeats=True))
    ours, theirs = markup.parse(sent), parsed(sent)
    assert 1 <= fits <= len(lines)
    assert len(ours.text) <= 4096
    assert len(ours.entities) <= 100
    assert theirs["@type"] == "formattedText", theirs
    assert len(theirs["entities"]) <= 100
    assert fits == len(lines) or len(merge(lines[: fits + 1])[1]) == len(text)
    assert text == "\n".join(lines[:fits])


@pytest.mark.slow
@given(st.lists(st.sampled_from(["@someone", "#room", "/start", "$USD", "x.org", "a@b.org"])))
def test_what_telegram_finds_by_itself_counts_too(words: list[str]) -> None:
    lines = [f"{bold('Ada')} {escape(' '.join(words))}"] * 90
    fits, text = merge(lines)
    shown = markup.parse(text)
    found = td({"@type": "getTextEntities", "text": shown.text})["entities"]
    assert fits == 1 or len(shown.entities) + len(found) <= 100
