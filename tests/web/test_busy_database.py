"""The database is held by another: the client is told to come back, and nothing is half done."""

import pytest
from calling import ADA, Api, assert_problem, at_once

from attendance.db import SqliteDatabase
from attendance.web import failure_audit


@pytest.fixture
def impatient(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """A service that gives up soon."""
    monkeypatch.setattr(SqliteDatabase.write, "__defaults__", (0.1,))
    monkeypatch.setattr(failure_audit, "BRIEF_WRITE_SECONDS", 0.05)
    return api


def test_a_locked_database_is_a_503_that_says_when_to_come_back(impatient: Api) -> None:
    with impatient.locked():
        answer = impatient.post(ADA)

    assert_problem(answer, 503, "busy")
    assert int(answer.headers["Retry-After"]) >= 1


def test_what_was_refused_is_never_written_later(impatient: Api) -> None:
    before = impatient.counts()
    with impatient.locked():
        answers = at_once(6, lambda n: impatient.post({**ADA, "person_id": f"p{n}"}))
        assert {answer.status_code for answer in answers} == {503}

    impatient.get("/readyz", role=None)  # a write that queues behind all that was withdrawn

    assert impatient.counts() == before


def test_the_same_request_succeeds_once_the_database_is_free(impatient: Api) -> None:
    headers = {"Idempotency-Key": "k-1"}
    with impatient.locked():
        assert impatient.post(ADA, headers=headers).status_code == 503

    answer = impatient.post(ADA, headers=headers)

    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer.headers


def test_reading_goes_on_while_the_database_is_locked(impatient: Api) -> None:
    record = impatient.record()

    with impatient.locked():
        assert impatient.get(f"/attendance/{record['id']}").status_code == 200
        assert [row["id"] for row in impatient.page("/attendance")] == [record["id"]]


def test_a_key_is_checked_while_the_database_is_locked(impatient: Api) -> None:
    with impatient.locked():
        assert_problem(impatient.post(ADA, role=None), 401, "unauthenticated")


def test_a_refusal_that_could_not_be_audited_is_in_the_log(
    impatient: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with impatient.locked():
        impatient.post(ADA, headers={"X-Request-Id": "req-1"})

    (line,) = [one for one in caplog.records if "Not in the audit trail" in one.getMessage()]
    assert (vars(line)["status"], vars(line)["request_id"]) == (503, "req-1")
