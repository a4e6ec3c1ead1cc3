"""RATE_LIMIT_KEY: what one key may ask for in a window, and how it is told."""

import os
import re
from collections.abc import Callable
from functools import partial

import pytest
from calling import ADA, NOON, Api, assert_problem, at_once

from attendance.audit.throttle import write_repeated
from attendance.config import RateSetting
from attendance.web.key_limit import Counts, KeyLimit

FIVE_A_MINUTE = RateSetting(5, 60)


@pytest.fixture
def limited(make_api: Callable[..., Api]) -> Api:
    return make_api(RATE_LIMIT_KEY="5/60s")


def spend(api: Api, count: int) -> list[int]:
    return [api.post({**ADA, "person_id": f"p{n}"}).status_code for n in range(count)]


def test_each_answer_says_what_is_left(limited: Api) -> None:
    limited.clock.advance(18)
    first, second = (limited.post({**ADA, "person_id": one}) for one in "ab")

    for answer, left in ((first, 4), (second, 3)):
        assert answer.headers["RateLimit-Policy"] == '"key";q=5;w=60'
        assert answer.headers["RateLimit"] == f'"key";r={left};t=42'


def test_beyond_the_limit_it_is_refused_and_nothing_is_stored(limited: Api) -> None:
    assert spend(limited, 5) == [201] * 5
    limited.clock.advance(18.5)

    answer = limited.post({**ADA, "person_id": "one-more"})

    assert_problem(answer, 429, "rate_limited")
    assert answer.headers["Retry-After"] == "42"
    assert answer.headers["RateLimit"] == '"key";r=0;t=42'
    assert limited.counts()["attendance"] == 5


def test_after_the_time_that_it_was_told_it_goes_on(limited: Api) -> None:
    spend(limited, 5)
    limited.clock.advance(30)
    wait = limited.post(ADA).headers["Retry-After"]

    limited.clock.advance(int(wait))

    assert limited.post(ADA).status_code == 201


def test_a_key_spends_nothing_of_another_s(limited: Api) -> None:
    assert spend(limited, 6)[-1] == 429

    assert limited.post(ADA, role="admin").status_code == 201
    assert limited.get("/attendance", role="auditor").status_code == 200


def test_whoever_has_no_live_key_spends_nothing_and_is_told_nothing(limited: Api) -> None:
    for _ in range(6):
        answer = limited.post(ADA, role=None, key="att_nobody-s-key-0123456789")
        assert answer.status_code == 401
        assert "RateLimit" not in answer.headers
        assert "RateLimit-Policy" not in answer.headers
    assert "RateLimit" not in limited.get("/livez", role=None).headers

    assert spend(limited, 1) == [201]


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (lambda api: api.get("/audit", role="frontend"), 403),
        (lambda api: api.post("{", role="frontend"), 400),
        (lambda api: api.post({}, role="frontend"), 422),
        (lambda api: api.get("/attendance", role="auditor"), 200),
        (lambda api: api.get("/attendance/7", role="auditor"), 404),
    ],
)
def test_whatever_comes_of_it_a_request_with_a_live_key_counts(
    limited: Api, ask: Callable[[Api], object], status: int
) -> None:
    answers = [ask(limited) for _ in range(6)]

    assert [one.status_code for one in answers] == [status] * 5 + [429]  # type: ignore[attr-defined]
    assert all("RateLimit" in one.headers for one in answers)  # type: ignore[attr-defined]


def test_without_a_limit_nothing_is_said_of_one(make_api: Callable[..., Api]) -> None:
    api = make_api(RATE_LIMIT_KEY="off")

    assert "RateLimit" not in api.post(ADA).headers


def test_by_default_there_is_a_generous_one(api: Api) -> None:
    assert api.post(ADA).headers["RateLimit-Policy"] == '"key";q=100000;w=3600'


@pytest.mark.parametrize("action", ["attendance.recorded", "api.read"])
def test_refusals_are_bundled_in_the_trail_as_others_are(limited: Api, action: str) -> None:
    for second in range(35):
        if action == "api.read":
            limited.get("/attendance")
        else:
            limited.post({**ADA, "person_id": f"p{second}"})
        limited.clock.advance(0.1)
    made = limited.services
    write_repeated(made.database, limited.clock, made.throttle, all_of_them=True)

    refused = [row for row in limited.audited() if row["outcome"] == "refused"]
    assert {row["action"] for row in refused} == {action}
    assert len(refused) == 11
    assert refused[-1]["reason"] == "20 more like those before"


def test_the_fields_are_structured_ones(limited: Api) -> None:
    """A List of one String with Integers as parameters (RFC 9651)."""
    headers = limited.post(ADA).headers
    item = re.compile(r'"[ !#-\[\]-~]*"(;[a-z*][a-z0-9_.*-]*=-?\d{1,15})+')

    assert item.fullmatch(headers["RateLimit"])
    assert item.fullmatch(headers["RateLimit-Policy"])


def test_of_many_at_once_no_more_than_the_limit_pass() -> None:
    limit = KeyLimit(RateSetting(500, 60))

    passed = at_once(8, lambda _: sum(left(limit) >= 0 for _ in range(100)))

    assert sum(passed) == 500


def left(limit: KeyLimit, key_id: int = 1) -> int:
    allowance = limit.spend(key_id, NOON)
    assert allowance is not None
    return allowance.left


class TestWorkers:
    """Each is a process of its own, which was forked from the one that made the counts."""

    @pytest.mark.slow
    @pytest.mark.parametrize(("shared", "passed"), [(True, 5), (False, 15)])
    def test_they_count_together(self, *, shared: bool, passed: int) -> None:
        """The control counts for each process alone."""
        counts = Counts()

        def run(seat: int) -> int:
            limit = KeyLimit(FIVE_A_MINUTE)
            if shared:
                limit.share(counts, seat)
            return sum(left(limit) >= 0 for _ in range(5))

        assert sum(result_of(start(partial(run, seat))) for seat in range(3)) == passed

    @pytest.mark.slow
    def test_nothing_that_one_counts_is_lost_to_another(self) -> None:
        counts = Counts()
        children = [start(partial(count, counts, seat, 20_000)) for seat in range(4)]
        for child in children:
            result_of(child)

        assert counts.add(1, 5, 7) == 80_001

    def test_a_window_that_is_over_does_not_count(self) -> None:
        counts = Counts()
        assert [counts.add(1, seat, 7) for seat in (0, 1, 1)] == [1, 2, 3]

        later = ((1, 8), (2, 8), (0, 7))
        assert [counts.add(1, seat, window) for seat, window in later] == [1, 2, 2]

    def test_keys_are_told_apart(self) -> None:
        counts = Counts()

        assert [counts.add(key_id, 0, 7) for key_id in (1, 2, 2, 1 + 4095)] == [1, 1, 2, 1]


def count(counts: Counts, seat: int, times: int) -> int:
    for _ in range(times):
        counts.add(1, seat, 7)
    return 0


def start(work: Callable[[], int]) -> int:
    """Fork a process that ends with what `work` returns."""
    child = os.fork()
    if child == 0:
        os._exit(work())
    return child


def result_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
