"""Pages have sessions and HTML; the API beside them has neither."""

from collections.abc import Callable
from typing import NoReturn

import pytest
from calling import ADA, Api, assert_problem
from flask import Blueprint, abort, g, session

from attendance.db import Moved
from attendance.web import pages
from attendance.web.pages.sessions import PageSessions

REASON = "the reason 4711"


@pytest.fixture
def blueprint(monkeypatch: pytest.MonkeyPatch) -> Blueprint:
    """The pages' own, which takes further routes for this test alone."""
    blueprint = pages.blueprint
    monkeypatch.setattr(blueprint, "_got_registered_once", False)
    monkeypatch.setattr(blueprint, "deferred_functions", list(blueprint.deferred_functions))
    return blueprint


@pytest.fixture
def paged(blueprint: Blueprint, make_api: Callable[..., Api]) -> Api:
    """A service with a page that knows its visitor, and pages that fail."""

    @blueprint.before_request
    def note() -> None:
        g.hooks_run = True

    @blueprint.get("/console")
    def console() -> str:
        session["visits"] = session.get("visits", 0) + 1
        session.permanent = True
        return f"<p>visit {session['visits']}, hooks run: {g.get('hooks_run')}"

    @blueprint.get("/console/missing/<name>")
    def missing(name: str) -> NoReturn:
        abort(404, f"No {name}")

    @blueprint.get("/console/broken")
    def broken() -> NoReturn:
        raise RuntimeError(REASON)

    @blueprint.get("/console/moved")
    def moved() -> NoReturn:
        raise Moved(REASON)

    return make_api()


def test_a_page_has_a_session_and_the_hooks_of_its_blueprint(paged: Api) -> None:
    browser = paged.app.test_client()

    first, second = browser.get("/console"), browser.get("/console")

    assert first.headers["Set-Cookie"].startswith("session=")
    assert [first.text, second.text] == [f"<p>visit {number}, hooks run: True" for number in (1, 2)]
    assert first.content_type == "text/html; charset=utf-8"
    assert first.headers["X-Request-Id"]


def test_a_session_holds_in_every_process(paged: Api, make_api: Callable[..., Api]) -> None:
    """They sign it with the key that the database keeps, where none is set."""
    cookie = paged.get("/console", role=None).headers["Set-Cookie"].partition(";")[0]
    another = make_api()

    answer = another.get("/console", role=None, headers={"Cookie": cookie})

    assert "visit 2" in answer.text


def test_a_forged_session_is_a_new_one(paged: Api) -> None:
    cookie = paged.get("/console", role=None).headers["Set-Cookie"].partition(";")[0]

    answer = paged.get("/console", role=None, headers={"Cookie": f"{cookie}x"})

    assert "visit 1" in answer.text


@pytest.mark.parametrize("slashes", ["", "/", "//"])
def test_a_page_is_one_also_with_more_slashes_before_it(paged: Api, slashes: str) -> None:
    environ = {"PATH_INFO": f"{slashes}/console"}

    answer = paged.get("/", role=None, environ_overrides=environ)

    assert answer.status_code == 200
    assert "Set-Cookie" in answer.headers


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/console/missing/%3Cb%3E", 404, "There is nothing at this address."),
        ("/console/broken", 500, "The request crashed on our side"),
        ("/console/moved", 503, "moves to another database"),
    ],
)
def test_a_page_tells_an_error_in_html(paged: Api, path: str, status: int, said: str) -> None:
    answer = paged.get(path, role=None)

    assert answer.status_code == status
    assert answer.content_type == "text/html; charset=utf-8"
    assert answer.text.startswith("<!doctype html>")
    assert said in answer.text
    assert REASON not in answer.text
    assert ("Retry-After" in answer.headers) is (status == 503)


def test_the_crash_of_a_page_is_in_the_log(paged: Api, caplog: pytest.LogCaptureFixture) -> None:
    paged.get("/console/broken", role=None)

    (record,) = [one for one in caplog.records if one.exc_info]
    assert REASON in str(record.exc_info)


def test_the_api_beside_it_knows_no_session(paged: Api) -> None:
    cookie = paged.get("/console", role=None).headers["Set-Cookie"].partition(";")[0]
    headers = {"Cookie": cookie}

    created = paged.post(ADA, headers=headers)
    for answer in (created, paged.get("/attendance", headers=headers)):
        assert answer.content_type == "application/json"
        assert "Set-Cookie" not in answer.headers
        assert "Vary" not in answer.headers
    assert created.status_code == 201
    assert_problem(paged.post({}, headers=headers), 422, "validation_failed")


@pytest.mark.parametrize("path", ["/", "/nothing", "/console/", "/console/x/y", "/attendance/x"])
def test_what_is_no_address_is_a_problem_as_ever(paged: Api, path: str) -> None:
    answer = paged.get(path)

    assert_problem(answer, 404, "not_found")
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("rule", ["/<name>", "/attend<name>"])
def test_a_page_may_not_lie_over_the_api(api: Api, rule: str) -> None:
    """Its sessions would be opened, and its cookies set again, by requests to the API."""
    api.app.add_url_rule(rule, "pages.any", lambda name: name)

    with pytest.raises(ValueError, match="lies among the pages, and is none of them"):
        PageSessions(api.app, "pages")


def test_there_is_no_page_yet(api: Api) -> None:
    assert [rule for rule in api.app.url_map.iter_rules() if "pages." in rule.endpoint] == []
