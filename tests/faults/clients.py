"""Clients that record one person after the other, and hold on to a request until it is answered."""

import itertools
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import requests
from history import ACKNOWLEDGED, Attempt, Ledger

_AGAIN_SECONDS = 0.05
_PATIENCE_SECONDS = 20.0
_ANSWER_WITHIN_SECONDS = 25.0
_numbers = itertools.count(1)


class Load:
    """Runs while it is entered; on leaving, each client finishes the request that it has begun.

    A client that gets an error asks again with the same idempotency key, at the next of `urls`,
    as a good frontend does. `sites` take turns; `pause_seconds` lie between two people of a client.
    """

    def __init__(
        self,
        urls: Sequence[str],
        key: str,
        ledger: Ledger,
        *,
        sites: Sequence[str],
        clients: int = 4,
        pause_seconds: float = 0.05,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self._urls, self._key, self._ledger, self._sites = urls, key, ledger, sites
        self._pause, self._patience = pause_seconds, patience_seconds
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(self._patience + _ANSWER_WITHIN_SECONDS)
            assert not thread.is_alive(), "a client hangs"

    def _run(self) -> None:
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {self._key}"
            while not self._over.wait(self._pause):
                self._record(session, next(_numbers))

    def _record(self, session: requests.Session, number: int) -> None:
        """Until it is acknowledged; after the load's end no longer than our patience."""
        person, key = f"person-{number}", f"key-{number}"
        site = self._sites[number % len(self._sites)]
        body = {"person_id": person, "event": "check_in", "site": site}
        over_at: float | None = None
        for url in itertools.cycle(self._urls):
            attempt = _attempt(session, url, key, body)
            self._ledger.note(attempt)
            if attempt.acknowledged:
                return
            if self._over.is_set():
                over_at = over_at or time.monotonic() + self._patience
                if time.monotonic() > over_at:
                    return
            time.sleep(_AGAIN_SECONDS)


def record_one(url: str, key: str, ledger: Ledger, **said: str) -> Attempt:
    """A single request about somebody new."""
    number = next(_numbers)
    body = {"person_id": f"person-{number}", "event": "check_in", **said}
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {key}"
        attempt = _attempt(session, url, f"key-{number}", body)
    ledger.note(attempt)
    return attempt


def _attempt(session: requests.Session, url: str, key: str, body: dict[str, str]) -> Attempt:
    began = time.monotonic()
    try:
        answer = session.post(
            f"{url}/attendance",
            json=body,
            headers={"Idempotency-Key": key},
            timeout=_ANSWER_WITHIN_SECONDS,
        )
    except requests.RequestException as error:
        took, now = time.monotonic() - began, time.time()
        failure = repr(error)
        return Attempt(
            key, body["person_id"], None, failure=failure, ended_at=now, took_seconds=took
        )
    return Attempt(
        key,
        body["person_id"],
        answer.status_code,
        _id_in(answer),
        answered_at=time.time(),
        failure=_refusal_in(answer),
        ended_at=time.time(),
        took_seconds=time.monotonic() - began,
    )


def _refusal_in(answer: requests.Response) -> str:
    """The status with the problem's code."""
    if answer.status_code in ACKNOWLEDGED:
        return ""
    problem = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
    return f"{answer.status_code} {problem.get('code', '')}".strip()


def _id_in(answer: requests.Response) -> int | None:
    if answer.status_code not in ACKNOWLEDGED:
        return None
    said: dict[str, Any] = answer.json()
    return said["attendance"]["id"] if "attendance" in said else None
