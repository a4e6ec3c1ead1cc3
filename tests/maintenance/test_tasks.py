"""The list of background jobs: it is complete, and says how often each is done, and by whom."""

import threading
import time
from typing import Any, get_args

import pytest

from attendance import worker
from attendance.api_keys import Uses
from attendance.audit.throttle import Throttle
from attendance.config import Settings
from attendance.config.capacity import SENDERS
from attendance.db import Database
from attendance.maintenance import tasks
from attendance.maintenance.tasks import JOBS, Job, RunBy, at_most_every, once
from attendance.outbox.dependencies import Dependencies

TELEGRAM = {
    "TELEGRAM_BOT_TOKEN": "123456789:AAE-notARealTokenOfAnyBot-0123456789",
    "TELEGRAM_CHAT_ID": "1000",
}


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_each_job_says_what_it_does_how_often_and_who_runs_it(job: Job[Any, Any]) -> None:
    assert job.name == job.name.strip().lower() != ""
    assert job.does.endswith(".")
    assert job.does[0].isupper()
    assert job.every
    assert job.run_by in get_args(RunBy)


def test_no_two_jobs_have_one_name() -> None:
    assert len({job.name for job in JOBS}) == len(JOBS)


def _started(monkeypatch: pytest.MonkeyPatch, database: Database) -> Dependencies:
    """What the dispatcher of a worker is handed when it starts."""
    handed: list[Dependencies] = []
    monkeypatch.setattr(worker, "Dispatcher", handed.append)
    settings = Settings.from_env(TELEGRAM)
    lifecycle = worker.create_lifecycle("worker", settings, database, Throttle(), Uses())
    worker.create_dispatcher(settings, database, threading.Event(), lifecycle_tasks=lifecycle.tasks)
    return handed[0]


def test_a_dispatcher_runs_what_is_listed_in_that_order_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    made: list[str] = []
    for name in ("OF_DISPATCHERS", "OF_EACH_PROCESS", "FOR_ALL", "PROBES"):
        jobs = getattr(tasks, name)
        monkeypatch.setattr(tasks, name, [_noted(job, made) for job in jobs])

    started = _started(monkeypatch, database)

    assert sorted(made) == sorted(job.name for job in JOBS)
    for task in (*started.tasks, *started.probes):
        task()
    assert made[len(JOBS) :] == [f"run {job.name}" for job in JOBS]


def _noted(job: Job[Any, Any], made: list[str]) -> Job[Any, Any]:
    """The same job, which notes that it is made, and that it is run, and does nothing."""

    def make(_: Any) -> Any:
        made.append(job.name)
        return lambda: made.append(f"run {job.name}")

    return Job(job.name, job.does, job.every, job.run_by, make)


def test_a_dispatcher_has_the_senders_that_the_capacity_says(
    monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    assert _started(monkeypatch, database).senders == SENDERS


def test_what_is_done_once_is_tried_until_it_succeeds() -> None:
    tried: list[int] = []

    def fail_twice() -> None:
        tried.append(len(tried))
        if len(tried) <= 2:
            raise LookupError

    run = once(fail_twice)
    for _ in range(2):
        with pytest.raises(LookupError):
            run()
    for _ in range(3):
        run()

    assert tried == [0, 1, 2]


def test_a_look_is_made_at_most_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: passed[0])
    look = at_most_every(0.25, lambda: "seen")

    found = []
    for at in (100.0, 100.2, 100.3, 100.5, 100.6):
        passed[0] = at
        found.append(look())

    assert found == ["seen", None, "seen", None, "seen"]


def test_a_look_that_failed_is_made_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    answers = iter((LookupError(), "seen"))

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    look = at_most_every(0.25, ask)
    with pytest.raises(LookupError):
        look()

    assert look() == "seen"
