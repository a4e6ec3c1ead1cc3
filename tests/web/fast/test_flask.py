"""`ApiFlask` leaves out what nobody here needs: Flask itself answers the same.

(But for a `Host` too long for any name, which Werkzeug refuses and `ApiFlask` does not look at.)
"""

from collections.abc import Callable

import pytest
from calling import Api
from flask import Flask, session
from requests_of_each_kind import REQUESTS, answers

from attendance import app
from attendance.web import pages
from attendance.web.fast.flask import ApiFlask


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that counts its visitor's visits, and one that is not found."""
    blueprint = pages.blueprint
    monkeypatch.setattr(blueprint, "_got_registered_once", False)
    monkeypatch.setattr(blueprint, "deferred_functions", list(blueprint.deferred_functions))

    @blueprint.get("/visits/<name>")
    def visits(name: str) -> str:
        session[name] = session.get(name, 0) + 1
        return f"<p>{session[name]}"


@pytest.mark.usefixtures("page")
def test_flask_itself_answers_each_request_the_same(
    make_twin: Callable[[], Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = make_twin()
    monkeypatch.setattr(app, "ApiFlask", Flask)
    plain = make_twin()
    assert (type(ours.app), type(plain.app)) == (ApiFlask, Flask)

    for request, ours_said, plain_said in zip(REQUESTS, answers(ours), answers(plain), strict=True):
        assert ours_said == plain_said, request
    assert ours.counts() == plain.counts()
    assert _visited_twice(ours) == _visited_twice(plain) == ["<p>1", "<p>2"]


def _visited_twice(api: Api) -> list[str]:
    browser = api.app.test_client()
    return [browser.get("/visits/ada").text for _ in range(2)]
