"""Routes: which chats are told of which attendance, and how that changes."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from attendance.db import Database
from attendance.db.sqlite.engines import driver_connection
from attendance.models import Event
from attendance.notifications import routing
from attendance.notifications.routing import EVERYTHING, Added, Conditions
from attendance.outbox import chat_migration, lanes

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DEFAULT = "1000"

Places = list[tuple[str | None, int | None]]
Told = Callable[..., Places]


@pytest.fixture
def told(database: Database) -> Told:
    """Who is told: `told(site="HQ", event="late")`."""

    def call(
        site: str | None = None,
        group: str | None = None,
        event: Event = "check_in",
        default: str | None = DEFAULT,
    ) -> Places:
        return database.write(lambda c: routing.destinations(c, default, site, group, event))

    return call


@pytest.fixture
def add(database: Database) -> Callable[..., Added]:
    """`add("2000", Conditions(site="HQ"), topic=5)`; without conditions: everything."""

    def call(chat: str, *wanted: Conditions, topic: int | None = None) -> Added:
        conditions = wanted or (EVERYTHING,)
        return database.write(lambda c: routing.add(c, NOW, chat, topic, conditions))

    return call


def _routes(database: Database) -> list[dict[str, Any]]:
    with database.snapshot() as connection:
        return routing.listed(connection)


HQ = Conditions(site="HQ")


def test_without_routes_the_default_chat_is_told(told: Told) -> None:
    assert told(site="HQ") == [(DEFAULT, None)]


def test_with_no_chat_at_all_the_place_is_still_to_be_configured(told: Told) -> None:
    assert told(default=None) == [(None, None)]


@pytest.mark.parametrize(
    ("conditions", "taken"),
    [
        (Conditions(site="HQ"), True),
        (Conditions(group="Engines"), True),
        (Conditions(event="late"), True),
        (Conditions("HQ", "Engines", "late"), True),
        (Conditions(site="Berlin"), False),
        (Conditions("HQ", "Engines", "leave"), False),  # all that is set must hold
        (Conditions("HQ", "Brakes", "late"), False),
        (Conditions(site=" hq "), True),  # as people write it
        (Conditions(site="H Q"), False),
    ],
)
def test_a_route_takes_what_meets_all_its_conditions(
    told: Told, add: Callable[..., Added], conditions: Conditions, *, taken: bool
) -> None:
    add("2000", conditions)

    assert told("HQ", "Engines", "late") == [("2000", None) if taken else (DEFAULT, None)]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("ärzte", "ÄRZTE"),
        ("A\u0308rzte", "Ärzte"),
        ("North  gate", "north gate"),
        ("Straße", "STRASSE"),
    ],
)
def test_letters_are_compared_without_their_case_in_any_script(
    told: Told, add: Callable[..., Added], written: str, said: str
) -> None:
    add("2000", Conditions(group=written))

    assert told(group=said) == [("2000", None)]


def test_a_condition_on_what_was_not_said_does_not_hold(
    told: Told, add: Callable[..., Added]
) -> None:
    add("2000", HQ)

    assert told() == [(DEFAULT, None)]


def test_all_routes_that_fit_are_told_in_the_order_of_their_making(
    told: Told, add: Callable[..., Added]
) -> None:
    add("4000", HQ)
    add("2000", Conditions(event="check_in"))
    add("3000", Conditions(site="Berlin"))

    assert told(site="HQ") == [("4000", None), ("2000", None)]


def test_a_chat_without_conditions_is_told_of_everything_and_takes_nothing_away(
    told: Told, add: Callable[..., Added]
) -> None:
    add("2000")
    add("3000", HQ)

    assert told(site="HQ") == [("2000", None), ("3000", None)]
    assert told() == [("2000", None), (DEFAULT, None)]


def test_where_no_default_chat_is_set_one_that_gets_everything_is_enough(
    told: Told, add: Callable[..., Added]
) -> None:
    add("2000")

    assert told(default=None) == [("2000", None)]


def test_what_no_route_took_waits_for_a_default_chat(told: Told, add: Callable[..., Added]) -> None:
    add("2000", HQ)

    assert told(default=None) == [(None, None)]


def test_a_place_that_several_routes_name_is_told_once(
    told: Told, add: Callable[..., Added]
) -> None:
    add("2000", HQ, Conditions(event="check_in"))
    add(DEFAULT)

    assert told(site="HQ") == [("2000", None), (DEFAULT, None)]
    assert told() == [("2000", None), (DEFAULT, None)]


def test_topics_of_a_chat_are_places_of_their_own(told: Told, add: Callable[..., Added]) -> None:
    add("-100200", HQ, topic=5)
    add("-100200", HQ, topic=7)
    add("-100200", Conditions(event="check_in"))

    assert told(site="HQ") == [("-100200", 5), ("-100200", 7), ("-100200", None)]


def test_the_old_and_the_new_id_of_a_chat_are_one_place(
    database: Database, told: Told, add: Callable[..., Added]
) -> None:
    add("-200", HQ, topic=5)
    add("-100200", HQ)
    add("2000")
    database.write(lambda c: chat_migration.migrate(c, NOW, "-200", "-100200"))

    assert told(site="HQ") == [("-200", 5), ("2000", None)]
    assert told(default="-200") == [("2000", None), ("-200", None)]


def test_the_default_chat_under_its_old_id_is_not_told_twice(
    database: Database, told: Told, add: Callable[..., Added]
) -> None:
    add("-100200")
    database.write(lambda c: lanes.open_lane(c, NOW, "-200"))
    database.write(lambda c: chat_migration.migrate(c, NOW, "-200", "-100200"))

    assert told(default="-200") == [("-100200", None)]


@pytest.mark.sqlite_only
def test_finding_out_costs_one_query(database: Database, add: Callable[..., Added]) -> None:
    add("2000", HQ)
    add("3000")
    executed: list[str] = []

    with database.snapshot() as connection:
        driver_connection(connection).set_trace_callback(executed.append)
        routing.destinations(connection, DEFAULT, "HQ", None, "check_in")
        driver_connection(connection).set_trace_callback(None)

    assert [statement.split()[0] for statement in executed] == ["SELECT"]


class TestAdding:
    def test_a_route_is_made_once(self, database: Database, add: Callable[..., Added]) -> None:
        assert add("2000", HQ) == Added([HQ], narrowed=False)
        assert add("2000", Conditions(site="hq ")) == Added([], narrowed=False)
        assert add("2000", HQ, HQ, topic=3) == Added([HQ], narrowed=False)

        assert [(row["site"], row["thread_id"]) for row in _routes(database)] == [
            ("HQ", None),
            ("HQ", 3),
        ]

    def test_conditions_narrow_a_chat_that_was_told_of_everything(
        self, told: Told, add: Callable[..., Added]
    ) -> None:
        add("2000")
        add("2000", topic=3)

        assert add("2000", HQ) == Added([HQ], narrowed=True)

        assert told() == [("2000", 3), (DEFAULT, None)]

    def test_it_opens_the_chat_s_lane(self, database: Database, add: Callable[..., Added]) -> None:
        add("2000", HQ)

        with database.snapshot() as connection:
            rows = connection.exec_driver_sql("SELECT chat_id, silent FROM chat").all()
        assert rows == [("2000", 0)]


class TestSettings:
    def test_they_are_the_chat_s_and_those_not_given_stay(
        self, database: Database, add: Callable[..., Added]
    ) -> None:
        add("2000")
        database.write(lambda c: routing.set_up(c, "2000", title="Ada", silent=True))
        database.write(lambda c: routing.set_up(c, "2000", quiet_hours="22:00-07:00"))
        database.write(lambda c: routing.set_up(c, "2000"))

        assert self._chats(database) == [("2000", "Ada", 1, "22:00-07:00")]

    def test_those_of_a_chat_that_moved_are_set_where_it_lives(
        self, database: Database, add: Callable[..., Added]
    ) -> None:
        add("-200")
        database.write(lambda c: chat_migration.migrate(c, NOW, "-200", "-100200"))
        database.write(lambda c: routing.set_up(c, "-200", title="Ada"))

        assert self._chats(database) == [
            ("-200", None, 0, None),
            ("-100200", "Ada", 0, None),
        ]

    def _chats(self, database: Database) -> list[Any]:
        with database.snapshot() as connection:
            query = "SELECT chat_id, title, silent, quiet_hours FROM chat ORDER BY chat_id DESC"
            return [tuple(row) for row in connection.exec_driver_sql(query)]


class TestRemoving:
    def test_the_chosen_routes_go_and_are_told(
        self, database: Database, add: Callable[..., Added]
    ) -> None:
        add("2000", HQ, Conditions(event="late"))
        add("3000", HQ)

        removed = database.write(
            lambda c: routing.remove(c, "2000", lambda route: route["site"] == "HQ")
        )

        assert [(row["chat_id"], row["site"], row["event"]) for row in removed] == [
            ("2000", "HQ", None)
        ]
        assert [(row["chat_id"], row["event"]) for row in _routes(database)] == [
            ("2000", "late"),
            ("3000", None),
        ]

    def test_what_was_added_under_the_old_id_goes_by_the_new_one(
        self, database: Database, add: Callable[..., Added]
    ) -> None:
        add("-200", HQ)
        database.write(lambda c: chat_migration.migrate(c, NOW, "-200", "-100200"))

        database.write(lambda c: routing.remove(c, "-100200", lambda _: True))

        assert _routes(database) == []
