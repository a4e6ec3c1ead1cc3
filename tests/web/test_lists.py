"""GET /attendance and what all lists have in common: filters, pages, cursors."""

from collections.abc import Callable
from typing import Any

import pytest
from calling import Api, assert_problem

LISTS = ["/attendance", "/outbox", "/audit"]


def _fill(api: Api, count: int) -> None:
    """Records of so many persons; each three at the same moment, so that ids break the tie."""
    for number in range(count):
        hour, minute = divmod(number // 3, 60)
        api.record(person_id=f"p{number}", occurred_at=f"2026-11-22T{hour:02}:{minute:02}:00Z")


def _pages(api: Api, path: str, limit: int, between: Callable[[], object]) -> list[Any]:
    """The ids of all pages, with something done between each two."""
    ids, cursor = [], ""
    while True:
        body = api.get(f"{path}?limit={limit}{cursor}").get_json()
        assert set(body) == {"data", "next_cursor", "has_more"}
        assert len(body["data"]) <= limit
        ids += [row["id"] for row in body["data"]]
        assert body["has_more"] is (body["next_cursor"] is not None)
        if not body["has_more"]:
            return ids
        cursor = f"&cursor={body['next_cursor']}"
        between()


@pytest.mark.slow
@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", [1, 4, 5, 10, 11])
def test_pages_cover_every_row_once_and_in_order(api: Api, path: str, limit: int) -> None:
    _fill(api, 10)
    all_ids = [row["id"] for row in api.page(path)]

    assert len(all_ids) >= 10
    assert _pages(api, path, limit, between=lambda: None) == all_ids


@pytest.mark.slow
@pytest.mark.parametrize("path", LISTS)
def test_pages_stay_whole_while_rows_arrive(api: Api, path: str) -> None:
    _fill(api, 10)
    before = [row["id"] for row in api.page(path)]
    arrived = iter(range(100))

    def arrive() -> None:
        api.record(person_id=f"new{next(arrived)}")

    assert _pages(api, path, 3, between=arrive) == before


def test_the_latest_event_comes_first_whenever_it_was_sent(api: Api) -> None:
    late = api.record(person_id="a", occurred_at="2026-11-23T11:00:00Z")["id"]
    early = api.record(person_id="b", occurred_at="2026-11-20T11:00:00Z")["id"]
    middle = api.record(person_id="c", occurred_at="2026-11-22T11:00:00Z")["id"]

    assert [row["id"] for row in api.page("/attendance")] == [late, middle, early]


@pytest.mark.parametrize(
    ("query", "persons"),
    [
        ("", ["c", "b", "a"]),
        ("?person_id=a", ["a"]),
        ("?person_id=A", []),
        ("?event=late", ["b"]),
        ("?site=HQ", ["b", "a"]),
        ("?group=Engines%20%26%20Co", ["c"]),
        ("?site=HQ&event=check_in", ["a"]),
        ("?site=HQ&group=nobody", []),
        # A half-open range: `from` belongs to it, `to` does not.
        ("?from=2026-11-21T10:00:00Z", ["c", "b"]),
        ("?from=2026-11-21T10:00:00.000001Z", ["c"]),
        ("?to=2026-11-21T10:00:00Z", ["a"]),
        ("?to=2026-11-21T10:00:00.000001Z", ["b", "a"]),
        ("?from=2026-11-21T10:00:00Z&to=2026-11-22T10:00:00Z", ["b"]),
        ("?from=2026-11-21&to=2026-11-22", ["b"]),
        ("?from=2026-11-21T11:00:00%2B01:00&to=2026-11-21T11:00:01%2B01:00", ["b"]),
        # A plus that nobody escaped arrives as a space.
        ("?from=2026-11-21T11:00:00+01:00&to=2026-11-21T11:00:01+01:00", ["b"]),
        ("?from=2026-11-22&to=2026-11-21", []),
    ],
)
def test_filters(api: Api, query: str, persons: list[str]) -> None:
    api.record(person_id="a", site="HQ", occurred_at="2026-11-20T10:00:00Z")
    api.record(person_id="b", site="HQ", event="late", occurred_at="2026-11-21T10:00:00Z")
    api.record(person_id="c", group="Engines & Co", occurred_at="2026-11-22T10:00:00Z")

    assert [row["person_id"] for row in api.page(f"/attendance{query}")] == persons


def test_a_filter_of_special_characters_is_taken_as_it_is(api: Api) -> None:
    api.record(person_id="50% _*'\"")
    api.record(person_id="500")

    found = api.page("/attendance?person_id=50%25%20_*%27%22")

    assert [row["person_id"] for row in found] == ["50% _*'\""]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=501", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=ten", "/limit"),
        ("limit=", "/limit"),
        ("limit=1&limit=2", "/limit"),
        ("limit=" + "9" * 30, "/limit"),
        ("cursor=nonsense", "/cursor"),
        ("cursor=", "/cursor"),
        ("cursor=" + "x" * 501, "/cursor"),
        ("colour=red", "/colour"),
        ("a/b=1&a/b=2", "/a~1b"),
    ],
)
@pytest.mark.parametrize("path", LISTS)
def test_a_wrong_parameter_is_named(api: Api, path: str, query: str, pointer: str) -> None:
    problem = assert_problem(api.get(f"{path}?{query}"), 422, "validation_failed")

    assert [error["pointer"] for error in problem["errors"]] == [pointer]


@pytest.mark.parametrize(
    "query",
    [
        *("event=gone", "event=", "from=yesterday", "from=2026-11-23T09:00:00", "from=2026-02-30"),
        *("to=17", "from=9999-12-31T23:59:59-12:00", "from=0001-01-01T00:00:00%2B14:00", "to="),
    ],
)
def test_a_filter_that_means_nothing_is_refused(api: Api, query: str) -> None:
    problem = assert_problem(api.get(f"/attendance?{query}"), 422)

    assert [error["pointer"] for error in problem["errors"]] == ["/" + query.partition("=")[0]]


@pytest.mark.parametrize("limit", [1, 500])
@pytest.mark.parametrize("path", LISTS)
def test_the_bounds_of_the_limit_are_allowed(api: Api, path: str, limit: int) -> None:
    assert api.get(f"{path}?limit={limit}").status_code == 200


@pytest.mark.slow
def test_a_page_without_a_limit_has_a_hundred(api: Api) -> None:
    for _ in range(101):
        api.enqueue()

    body = api.get("/outbox").get_json()

    assert (len(body["data"]), body["has_more"]) == (100, True)


def _cursor(api: Api, path: str) -> str:
    return str(api.get(f"{path}?limit=1").get_json()["next_cursor"])


@pytest.mark.parametrize("path", LISTS)
def test_a_cursor_that_was_tampered_with_is_refused(api: Api, path: str) -> None:
    _fill(api, 2)
    payload, _, signature = _cursor(api, path).rpartition(".")
    forged = [f"{payload}x.{signature}", f"{payload}.{signature[::-1]}", payload, f".{signature}"]

    for cursor in forged:
        assert_problem(api.get(f"{path}?limit=1&cursor={cursor}"), 422)


def test_a_cursor_of_another_list_is_refused(api: Api) -> None:
    _fill(api, 2)

    for path in LISTS:
        for other in set(LISTS) - {path}:
            cursor = _cursor(api, other)
            assert_problem(api.get(f"{path}?cursor={cursor}"), 422)


@pytest.mark.slow
def test_a_cursor_of_one_service_works_in_another_on_the_same_database(
    make_api: Callable[..., Api],
) -> None:
    api, other = make_api(), make_api()
    _fill(api, 2)

    assert other.get(f"/attendance?cursor={_cursor(api, '/attendance')}").status_code == 200


@pytest.mark.slow
def test_a_cursor_signed_with_another_secret_key_is_refused(make_api: Callable[..., Api]) -> None:
    api = make_api(SECRET_KEY="first-secret-key-0123")
    other = make_api(SECRET_KEY="other-secret-key-0123")
    _fill(api, 2)

    assert_problem(other.get(f"/attendance?cursor={_cursor(api, '/attendance')}"), 422)
