"""/livez, /healthz, /readyz: for whoever watches, without a key."""

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from calling import Api, assert_problem

from attendance.outbox.heartbeat import heartbeat_of, last_beats

pytestmark = pytest.mark.both_databases

health = import_module("attendance.web.api.health")


def _verbose(api: Api) -> dict[str, Any]:
    answer = api.get("/readyz?verbose", role=None)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


def _reasons(api: Api) -> list[str]:
    """But that no dispatcher is there."""
    return [one for one in _verbose(api)["reasons"] if "sign of life" not in one]


def _beat(api: Api, name: str = "host-1") -> None:
    heartbeat_of(api.services.database, name).beat()


@pytest.fixture
def impatient(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr(health, "BRIEF_WRITE_SECONDS", 0.05)
    return api


@pytest.fixture
def today(api: Api) -> Api:
    """A service whose clock is that of the files."""
    api.services.clock = import_module("attendance.db").utc_now
    return api


@pytest.mark.parametrize("path", ["/livez", "/healthz", "/readyz"])
def test_a_service_that_can_record_is_well(api: Api, path: str) -> None:
    answer = api.get(path, role=None)

    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


ELSEWHERE: dict[str, Any] = {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}}


def test_from_elsewhere_it_takes_an_admin_to_be_told_more(api: Api) -> None:
    assert api.get("/readyz", role=None, **ELSEWHERE).get_json() == {"status": "ok"}
    assert api.get("/readyz?verbose", role="admin", **ELSEWHERE).status_code == 200
    assert_problem(api.get("/readyz?verbose", role=None, **ELSEWHERE), 401)
    assert_problem(api.get("/readyz?verbose", role="auditor", **ELSEWHERE), 403)
    assert_problem(api.get("/readyz?verbose", role=None, headers={"Via": "1.1 proxy"}), 401)


@pytest.mark.sqlite_only
def test_a_stranger_is_not_told_what_is_wrong_with_the_database(impatient: Api) -> None:
    with impatient.locked():
        stranger = impatient.get("/readyz", role=None, **ELSEWHERE)
        local = impatient.get("/readyz", role=None)
        admin = impatient.get("/readyz?verbose", role="admin", **ELSEWHERE)

    assert "database" not in assert_problem(stranger, 503, "not_ready")["detail"]
    for answer in (local, admin):
        assert "database" in assert_problem(answer, 503, "not_ready")["detail"]


@pytest.mark.sqlite_only
def test_where_the_database_is_locked_the_service_is_alive_but_not_ready(impatient: Api) -> None:
    with impatient.locked():
        answer = impatient.get("/readyz", role=None)
        assert impatient.get("/livez", role=None).status_code == 200

    assert_problem(answer, 503, "not_ready")
    assert answer.headers["Retry-After"] == "5"
    assert impatient.get("/readyz", role=None).status_code == 200


def test_being_asked_writes_nothing(api: Api) -> None:
    before = api.counts()
    for path in ("/livez", "/healthz", "/readyz", "/readyz?verbose"):
        api.get(path, role=None)

    assert api.counts() == before


def test_a_service_at_work_has_no_reasons(today: Api) -> None:
    _beat(today)

    found = _verbose(today)

    assert (found["status"], found["reasons"]) == ("ok", [])
    assert found["outbox"]["counts"]["pending"] == 0
    assert list(found["dispatcher_heartbeat_age_seconds"]) == ["host-1"]


def test_a_dispatcher_that_was_killed_is_shown_for_ten_minutes(
    today: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    _beat(today)
    beaten_at = last_beats(today.services.database)["host-1"]
    shown = []
    for seconds in (599, 600):
        later = beaten_at + timedelta(seconds=seconds)
        monkeypatch.setattr(today.services, "clock", lambda later=later: later)
        shown.append(list(_verbose(today)["dispatcher_heartbeat_age_seconds"]))

    assert shown == [["host-1"], []]
    assert _verbose(today)["reasons"] == ["No dispatcher has given a sign of life lately."]


def test_without_telegram_it_is_ready_and_degraded(make_api: Callable[..., Api]) -> None:
    api = make_api(TELEGRAM_BOT_TOKEN="", DISPATCHER="off")

    assert _verbose(api)["status"] == "degraded"
    assert _reasons(api) == ["Telegram is not configured: messages wait."]


def test_a_refused_bot_is_a_reason(today: Api) -> None:
    _beat(today)
    today.execute(
        "INSERT INTO outbox_stoppage (reason, started_at, probe_at) VALUES ('misconfigured', "
        "'2026-11-23T12:00:00.000000Z', '2026-11-23T12:01:00.000000Z')"
    )

    assert _verbose(today)["reasons"] == ["The bot is misconfigured: messages wait."]


def test_silent_dispatchers_are_a_reason(today: Api) -> None:
    assert _verbose(today)["reasons"] == ["No dispatcher has given a sign of life lately."]


def test_where_others_are_to_deliver_and_none_does_it_says_what_to_start(
    make_api: Callable[..., Api],
) -> None:
    api = make_api(DISPATCHER="off")
    api.services.clock = import_module("attendance.db").utc_now

    (reason,) = _verbose(api)["reasons"]
    assert reason.startswith("No dispatcher has given a sign of life lately, and this service has ")
    assert reason.endswith("DISPATCHER=off: start `manage.py dispatch`.")
    _beat(api)
    assert (_verbose(api)["status"], _verbose(api)["reasons"]) == ("ok", [])


def test_a_message_that_waits_long_is_a_reason(make_api: Callable[..., Api]) -> None:
    api = make_api(DISPATCHER="off")
    api.enqueue()
    api.clock.advance(120)
    assert _reasons(api) == []

    api.clock.advance(1)

    assert _reasons(api) == ["The oldest message waits 121 s."]
    assert _verbose(api)["outbox"]["oldest_due_age_seconds"] == 121.0


def test_a_parked_chat_is_a_reason(make_api: Callable[..., Api]) -> None:
    api = make_api(DISPATCHER="off")
    api.enqueue()
    api.execute(
        "UPDATE chat SET parked_at='2026-11-23T12:00:00.000000Z', park_reason='blocked', "
        "refused_since='2026-11-23T12:00:00.000000Z'"
    )

    assert _reasons(api) == ["1 chat(s) refuse us and are parked."]


def test_a_paused_chat_is_one_that_an_admin_has_paused(make_api: Callable[..., Api]) -> None:
    api = make_api(DISPATCHER="off")
    api.enqueue()
    api.execute("UPDATE chat SET parked_at='2026-11-23T12:00:00.000000Z', park_reason='holidays'")
    api.clock.advance(600)

    assert _reasons(api) == ["1 chat(s) are paused by an admin."]
    assert _verbose(api)["outbox"]["oldest_due_age_seconds"] is None
