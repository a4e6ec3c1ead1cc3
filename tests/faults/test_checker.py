"""The checker itself: each rule with a history that keeps it and one that breaks it."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from checker import Verdict, check
from history import Arrival, Attempt, Queued, Record, Stored, read_database

from attendance.db import Database

ADA = Attempt("k1", "ada", 201, 1)
BOB = Attempt("k2", "bob", 201, 2)
RECORDS = (Record(1, "ada", 1, 1, 1), Record(2, "bob", 1, 1, 1))
QUEUED = (Queued(1, "ada", "7", "sent", 0), Queued(2, "bob", "7", "sent", 0))
STORED = Stored(RECORDS, QUEUED)
SHOWN = (Arrival("ada", "7"), Arrival("bob", "7"))


def faults(verdict: Verdict) -> dict[str, set[str]]:
    return {name: set(people) for name, people in verdict.faults.items()}


def test_what_was_acknowledged_recorded_and_shown_once_is_valid() -> None:
    verdict = check([ADA, BOB], SHOWN, STORED)
    assert verdict.is_valid
    assert verdict.attempted == verdict.acknowledged == {"ada", "bob"}
    assert verdict.recovered == verdict.explained == set()


def test_an_acknowledged_one_without_a_record_is_lost() -> None:
    stored = Stored(RECORDS[:1], QUEUED[:1])
    verdict = check([ADA, replace(BOB, attendance_id=None)], SHOWN[:1], stored)
    assert faults(verdict) == {"lost": {"bob"}}


def test_a_recorded_one_that_is_not_shown_is_lost_acknowledged_or_not() -> None:
    attempts = [ADA, Attempt("k2", "bob", None)]
    assert faults(check(attempts, SHOWN[:1], STORED)) == {"lost": {"bob"}}


def test_one_that_was_neither_acknowledged_nor_recorded_is_no_loss() -> None:
    attempts = [ADA, Attempt("k2", "bob", 503)]
    assert check(attempts, SHOWN[:1], Stored(RECORDS[:1], QUEUED[:1])).is_valid


@pytest.mark.parametrize("later", [[], [BOB]])
def test_one_that_was_recorded_and_shown_though_a_request_failed_is_recovered(
    later: list[Attempt],
) -> None:
    verdict = check([ADA, Attempt("k2", "bob", None), *later], SHOWN, STORED)
    assert verdict.is_valid
    assert verdict.recovered == {"bob"}


def test_one_that_nobody_sent_is_unexpected() -> None:
    assert faults(check([ADA], SHOWN, STORED)) == {"unexpected": {"bob"}}
    more = (*SHOWN, Arrival("?", "7"))
    assert faults(check([ADA, BOB], more, STORED)) == {"unexpected": {"?"}}


@pytest.mark.parametrize(
    ("doubts", "times", "expected"),
    [
        (0, 2, {"unexplained": {"ada"}}),
        (1, 2, {}),
        (1, 3, {"unexplained": {"ada"}}),  # one doubt accounts for one repeat
        (2, 3, {}),
        (2, 1, {}),  # doubted, and it had not been delivered
    ],
)
def test_each_repeat_is_explained_by_an_attempt_of_its_own(
    doubts: int, times: int, expected: dict[str, set[str]]
) -> None:
    queued = (replace(QUEUED[0], doubts=doubts), QUEUED[1])
    shown = (*SHOWN[:1] * times, SHOWN[1])
    verdict = check([ADA, BOB], shown, Stored(RECORDS, queued))
    assert faults(verdict) == expected
    assert verdict.explained == ({"ada"} if times > 1 and not expected else set())


def test_two_records_of_one_key_are_a_repetition() -> None:
    again = Stored((*RECORDS, Record(3, "ada", 1, 1, 1)), QUEUED)
    assert faults(check([ADA, BOB], SHOWN, again)) == {"repeated": {"ada"}}


@pytest.mark.parametrize(
    "alone",
    [
        changed
        for count in (0, 2)
        for changed in (
            replace(RECORDS[0], messages=count),
            replace(RECORDS[0], entries=count),
            replace(RECORDS[0], answers=count),
        )
    ],
)
def test_a_record_has_one_message_one_audit_entry_and_one_kept_answer(
    alone: Record,
) -> None:
    verdict = check([ADA, BOB], SHOWN, Stored((alone, RECORDS[1]), QUEUED))
    assert faults(verdict) == {"unpaired": {"ada"}}


def test_what_there_is_of_a_record_that_is_not_there_is_unpaired() -> None:
    stored = replace(STORED, strays=("message 3",))
    assert faults(check([ADA, BOB], SHOWN, stored)) == {"unpaired": {"message 3"}}


def test_one_that_was_shown_and_not_recorded_is_unpaired_acknowledged_or_not() -> None:
    stored = Stored(RECORDS[:1], QUEUED[:1])
    assert faults(check([ADA, Attempt("k2", "bob", 503)], SHOWN, stored)) == {"unpaired": {"bob"}}


def test_a_database_is_read_with_what_is_of_no_record(database: Database) -> None:
    path = Path(database.name)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO outbox (status, text, subject_type, subject_id, created_at, due_at, "
            "give_up_from, attempts, uncertain_attempts) "
            "VALUES ('pending', 'hi', 'attendance', '7', '', '', '', 0, 0)"
        )
        connection.execute(
            "INSERT INTO audit (occurred_at, actor_type, action, outcome, target_type, target_id, "
            "host, schema_version) "
            "VALUES ('', 'key', 'attendance.recorded', 'success', 'attendance', '7', '', 1)"
        )
        connection.execute(
            "INSERT INTO idempotency_key (key_lineage, key, fingerprint, status, location, body, "
            "created_at) VALUES (1, 'k7', '', 201, '/attendance/7', '', '')"
        )
    assert read_database(path).strays == ("message 1", "entry 1", "answer to k7")


def test_two_answers_to_one_key_that_name_different_records_contradict_each_other() -> None:
    again = Attempt("k1", "ada", 200, 9)
    assert faults(check([ADA, BOB, again], SHOWN, STORED)) == {"contradicted": {"ada"}}


def test_order_counts_within_a_chat_and_for_the_first_showing_only() -> None:
    swapped = SHOWN[::-1]
    assert faults(check([ADA, BOB], swapped, STORED)) == {"disordered": {"ada"}}
    elsewhere = (replace(SHOWN[1], chat="8"), SHOWN[0])
    assert check([ADA, BOB], elsewhere, STORED).is_valid
    doubted = Stored(RECORDS, (replace(QUEUED[0], doubts=1), QUEUED[1]))
    assert check([ADA, BOB], (*SHOWN, SHOWN[0]), doubted).is_valid


@pytest.mark.parametrize(
    ("told_at", "claims", "expected"),
    [
        (9.0, [8.0], {}),  # the younger was on its way before anybody was told of the older
        (9.0, [8.0, 12.0], {}),  # nor is the younger's repeat, after both were shown, any proof
        (9.0, [9.5], {"disordered": {"ada"}}),
        (9.0, [8.0, 9.5], {"disordered": {"ada"}}),  # its first claim had sent nothing
    ],
)
def test_where_transactions_overlap_one_that_was_told_of_goes_before_what_is_claimed_later(
    told_at: float, claims: list[float], expected: dict[str, set[str]]
) -> None:
    attempts = [replace(ADA, answered_at=told_at), replace(BOB, answered_at=7.0)]
    queued = (replace(QUEUED[0], claims=[10.5]), replace(QUEUED[1], claims=claims))
    shown = (Arrival("bob", "7", at=10.0), Arrival("ada", "7", at=11.0))
    assert faults(check(attempts, shown, Stored(RECORDS, queued))) == expected


def test_a_damaged_file_is_a_fault() -> None:
    damaged = replace(STORED, integrity="row 7 missing from index")
    assert set(check([ADA, BOB], SHOWN, damaged).faults) == {"damaged"}


def test_a_verdict_names_the_counts_and_the_first_of_the_faulty() -> None:
    text = str(check([ADA], SHOWN, STORED))
    assert "1 attempted, 1 acknowledged" in text
    assert "unexpected: bob" in text
