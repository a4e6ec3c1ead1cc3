"""Every way to call wrongly is answered with a problem in JSON, never with HTML."""

import io
import json

import pytest
from calling import ADA, Api, assert_problem

LIMIT = 64 * 1024


def test_a_chunked_body_needs_a_length(api: Api) -> None:
    answer = api.call(
        "POST",
        "/attendance",
        role="frontend",
        input_stream=io.BytesIO(json.dumps(ADA).encode()),
        headers={"Transfer-Encoding": "chunked", "Content-Type": "application/json"},
    )

    assert_problem(answer, 411, "length_required")


def test_a_body_of_the_limit_is_read_and_one_byte_more_is_not(api: Api) -> None:
    body = json.dumps(ADA)

    assert api.post(body.ljust(LIMIT)).status_code == 201
    assert_problem(api.post(body.ljust(LIMIT + 1)), 413, "too_large")


def test_a_body_beyond_flask_s_own_limit_is_a_413_too(api: Api) -> None:
    assert_problem(api.post(b" " * (1024 * 1024 + 1)), 413, "too_large")


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "text/json", "application/x-www-form-urlencoded", "application/jsonx"],
)
def test_a_body_that_is_not_declared_as_json_is_a_415(api: Api, content_type: str) -> None:
    answer = api.post(ADA, content_type=content_type)

    assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_declared_in_any_case_and_with_a_charset(api: Api, content_type: str) -> None:
    assert api.post(ADA, content_type=content_type).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/attendance", {"GET", "HEAD", "POST"}),
        ("DELETE", "/attendance/1", {"GET", "HEAD"}),
        ("PATCH", "/outbox", {"GET", "HEAD"}),
        ("POST", "/audit", {"GET", "HEAD"}),
        ("GET", "/outbox/1/retry", {"POST"}),
        ("HEAD", "/outbox/1/cancel", {"POST"}),
        ("OPTIONS", "/attendance", {"GET", "HEAD", "POST"}),
        ("TRACE", "/livez", {"GET", "HEAD"}),
        ("BREW", "/readyz", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_a_405_that_names_the_right_ones(
    api: Api, method: str, path: str, allowed: set[str]
) -> None:
    answer = api.call(method, path)

    assert answer.status_code == 405
    assert answer.content_type == "application/problem+json"
    assert set(answer.headers["Allow"].split(", ")) == allowed
    if method != "HEAD":
        assert_problem(answer, 405, "method_not_allowed")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/attendance/",
        "//attendance",
        "/attendance//1",
        "/attendance/1/",
        "//",
        "/outbox//1/retry",
        "/attendance/%00",
        "/attendance/%ff%fe",
        "/attendance/%2e%2e/audit",
        "/attendance/1%2f",
        "/%E2%80%AE",
        "/attendance/abc",
        "/attendance/-1",
        "/attendance/0",
        "/attendance/01",
        "/attendance/1.0",
        "/attendance/1e3",
        "/attendance/\u0661",
        "/attendance/ 1",
        f"/attendance/{2**63}",
        f"/outbox/{2**64}",
        "/attendance/" + "9" * 5000,
        "/static/style.css",
        "/.env",
    ],
)
def test_what_is_no_address_of_ours_is_a_404(api: Api, path: str) -> None:
    assert_problem(api.get(path), 404, "not_found")


@pytest.mark.parametrize("path", ["/attendance/{}", "/outbox/{}"])
def test_the_largest_id_is_looked_for(api: Api, path: str) -> None:
    problem = assert_problem(api.get(path.format(2**63 - 1)), 404, "not_found")

    assert str(2**63 - 1) in problem["detail"]


def test_head_answers_as_get_without_the_body(api: Api) -> None:
    answer = api.call("HEAD", "/attendance")

    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.content_type == "application/json"


def test_no_answer_may_be_stored_or_guessed_at(api: Api) -> None:
    for answer in (api.get("/attendance"), api.get("/nothing"), api.post(ADA)):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("given", ["a", "0af7651916cd43dd8448eb211c80319c", "A-b_c.9", "x" * 64])
def test_a_sane_request_id_of_the_client_is_kept(api: Api, given: str) -> None:
    answer = api.post(ADA, headers={"X-Request-Id": given})

    assert answer.headers["X-Request-Id"] == given
    assert api.audited()[0]["request_id"] == given
    assert api.rows("SELECT request_id FROM outbox") == [{"request_id": given}]


SECRET = "att_" + "k" * 43


def test_a_secret_as_a_request_id_is_given_back_and_not_kept(api: Api) -> None:
    """Were another one given back, a client could ask whether it has guessed one of ours."""
    answer = api.post(ADA, headers={"X-Request-Id": SECRET})

    assert answer.headers["X-Request-Id"] == SECRET
    assert SECRET not in str(api.audited()[0]["request_id"])
    assert SECRET not in str(api.rows("SELECT request_id FROM outbox"))


@pytest.mark.parametrize("given", ["", " ", "x" * 65, "a b", "a;b", "<script>", "ä", "a\u00a0"])
def test_any_other_request_id_is_replaced(api: Api, given: str) -> None:
    answer = api.get("/nothing", headers={"X-Request-Id": given})

    made = answer.headers["X-Request-Id"]
    assert made != given
    assert len(made) == 32
    assert_problem(answer, 404)


def test_each_request_has_an_id_of_its_own(api: Api) -> None:
    made = {api.get("/livez").headers["X-Request-Id"] for _ in range(5)}

    assert len(made) == 5


def test_the_ids_of_requests_sort_by_the_time_of_the_request(api: Api) -> None:
    made = []
    for _ in range(20):
        made.append(api.get("/livez").headers["X-Request-Id"])
        api.clock.advance(seconds=0.001)

    assert made == sorted(made)


@pytest.mark.parametrize(
    "host", ["", "localhost:8000", "münchen.example", "-.-", "a" * 300, "[::1"]
)
def test_whatever_the_host_is_called_by_the_answer_is_the_same(api: Api, host: str) -> None:
    answer = api.post(ADA, headers={"Host": host.encode().decode("latin-1")})

    assert answer.status_code == 201
