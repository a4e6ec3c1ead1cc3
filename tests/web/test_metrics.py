"""/metrics: Prometheus text, for this machine and for admins."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from calling import ADA, Api, assert_problem
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import TestResponse

from attendance.audit.sealer import Sealer
from attendance.outbox.heartbeat import heartbeat_of

pytestmark = pytest.mark.both_databases

PAGE = Path(__file__).parents[2] / "docs" / "operator.md"
IN_THE_TABLE = re.compile(
    r"^\| `(\w+)(?:\{([\w,]+)\})?` \| (gauge|counter|histogram) \|", re.MULTILINE
)
ELSEWHERE = {"REMOTE_ADDR": "192.0.2.7"}


def scraped(answer: TestResponse) -> dict[str, float]:
    """Each sample by its name, with its status where it has one."""
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "text/plain"
    families = list(text_string_to_metric_families(answer.text))
    assert all(family.documentation for family in families)
    samples = [sample for family in families for sample in family.samples]
    return {one.name + one.labels.get("status", ""): one.value for one in samples}


def test_the_outbox_is_counted_by_status(api: Api) -> None:
    api.post(ADA)
    api.settle(api.enqueue(), "failed")
    api.clock.advance(30)

    found = scraped(api.get("/metrics", role=None))

    assert (found["outbox_messagespending"], found["outbox_messagesfailed"]) == (1, 1)
    assert found["outbox_messagessent"] == 0
    assert found["outbox_oldest_due_age_seconds"] == 30
    assert (found["outbox_parked_chats"], found["outbox_stopped"]) == (0, 0)


def test_the_sealing_is_watched(api: Api) -> None:
    before = scraped(api.get("/metrics", role=None))
    assert before["audit_unsealed_rows"] == 3  # the keys' making
    assert "audit_last_seal_age_seconds" not in before

    Sealer(api.services.database, api.clock, None).finish()
    api.clock.advance(100)
    api.post(ADA)
    found = scraped(api.get("/metrics", role=None))

    assert (found["audit_unsealed_rows"], found["audit_last_seal_age_seconds"]) == (1, 100)


def test_a_dispatcher_s_sign_of_life_has_an_age(api: Api) -> None:
    assert "dispatcher_heartbeat_age_seconds" not in scraped(api.get("/metrics", role=None))

    heartbeat = heartbeat_of(api.services.database, "host-1")
    heartbeat.beat()
    assert "dispatcher_heartbeat_age_seconds" in scraped(api.get("/metrics", role=None))
    heartbeat.stop()


def test_the_operator_s_table_has_every_metric_and_no_other(api: Api) -> None:
    families = text_string_to_metric_families(api.get("/metrics", role=None).text)
    told = {(one.name, _labels_of(one), one.type) for one in families}
    documented = IN_THE_TABLE.findall(PAGE.read_text(encoding="utf-8"))

    assert told == set(documented)
    assert len(told) == len(documented)


def _labels_of(family: Metric) -> str:
    return ",".join(sorted({label for sample in family.samples for label in sample.labels}))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_on_this_machine_nobody_is_asked_for_a_key(api: Api, peer: str) -> None:
    assert scraped(api.get("/metrics", role=None, environ_base={"REMOTE_ADDR": peer}))


@pytest.mark.parametrize("peer", ["192.0.2.7", "10.0.0.1", "", "nonsense"])
def test_from_elsewhere_it_takes_an_admin(api: Api, peer: str) -> None:
    there = {"REMOTE_ADDR": peer}

    assert scraped(api.get("/metrics", role="admin", environ_base=there))
    assert_problem(api.get("/metrics", role=None, environ_base=there), 401)
    assert_problem(api.get("/metrics", role="auditor", environ_base=there), 403)


@pytest.mark.parametrize("host", ["attendance.example", "127.0.0.1.example", "10.0.0.1", "[::2]"])
def test_by_another_name_of_this_machine_it_is_asked_for_one(api: Api, host: str) -> None:
    """A page of another site, in a browser here, may reach us under its own name."""
    assert_problem(api.get("/metrics", role=None, headers={"Host": host}), 401)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_under_a_local_name_it_is_not(api: Api, host: str) -> None:
    assert scraped(api.get("/metrics", role=None, headers={"Host": host}))


@pytest.mark.parametrize(
    "header",
    [
        *("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host", "True-Client-IP"),
        *(
            "X-Original-Forwarded-For",
            "CF-Connecting-IP",
            "X-Client-IP",
            "x-envoy-external-address",
        ),
    ],
)
def test_behind_a_proxy_on_this_machine_everybody_is_elsewhere(api: Api, header: str) -> None:
    answer = api.get("/metrics", role=None, headers={header: "127.0.0.1"})

    assert_problem(answer, 401)


@pytest.mark.sqlite_only
def test_it_costs_no_more_where_the_trail_is_long(api: Api) -> None:
    """Above what is sealed and settled only: a row that is missing below it is for `verify`."""
    api.post(ADA)
    Sealer(api.services.database, api.clock, None).finish()
    api.clock.now += timedelta(hours=1)
    api.execute("DROP TRIGGER audit_leaf_no_delete")
    api.execute("DELETE FROM audit_leaf WHERE seq = 1")

    assert scraped(api.get("/metrics", role=None))["audit_unsealed_rows"] == 0
