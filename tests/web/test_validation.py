"""What POST /attendance refuses: each field by name, and never an echo of what was sent."""

import gzip
import json
from typing import Any

import pytest
from calling import ADA, Api, assert_problem

MARK = "Zx9Qw7"
"""Part of many bad values below: no answer may contain it."""

WRONG_FIELDS: list[tuple[str, dict[str, Any], str | None]] = [
    ("/person_id", {"person_id": None}, "string_type"),
    ("/person_id", {"person_id": 17}, "string_type"),
    ("/person_id", {"person_id": ""}, "string_too_short"),
    ("/person_id", {"person_id": " \t "}, "string_too_short"),
    ("/person_id", {"person_id": MARK + "x" * 128}, "string_too_long"),
    ("/person_id", {"person_id": f"{MARK}\x00b"}, "control_character"),
    ("/person_id", {"person_id": f"{MARK}\x1b[2J"}, "control_character"),
    ("/person_id", {"person_id": f"{MARK}\nb"}, "control_character"),
    ("/person_id", {"person_id": f"{MARK}\u0085b"}, "control_character"),
    ("/person_id", {"person_id": [MARK]}, "string_type"),
    ("/event", {"event": MARK}, "literal_error"),
    ("/event", {"event": "CHECK_IN"}, "literal_error"),
    ("/event", {"event": None}, "literal_error"),
    ("/person_name", {"person_name": MARK + "x" * 200}, "string_too_long"),
    ("/person_name", {"person_name": False}, "string_type"),
    ("/site", {"site": MARK + "x" * 128}, "string_too_long"),
    ("/group", {"group": MARK + "x" * 128}, "string_too_long"),
    ("/device", {"device": MARK + "x" * 128}, "string_too_long"),
    ("/client_event_id", {"client_event_id": MARK + "x" * 128}, "string_too_long"),
    ("/client_event_id", {"client_event_id": 17}, "string_type"),
    ("/note", {"note": MARK + "x" * 1000}, "string_too_long"),
    ("/note", {"note": f"{MARK}\x07"}, "control_character"),
    ("/timezone", {"timezone": f"Europe/{MARK}"}, "not_a_zone"),
    ("/timezone", {"timezone": "Europe"}, "not_a_zone"),
    ("/timezone", {"timezone": "../../etc/passwd"}, "not_a_zone"),
    ("/timezone", {"timezone": "+01:00"}, "not_a_zone"),
    ("/timezone", {"timezone": "x" * 65}, "string_too_long"),
    ("/location", {"location": MARK}, "model_type"),
    ("/location", {"location": [52.5, 13.4]}, "model_type"),
    ("/location/lon", {"location": {"lat": 1}}, "required"),
    ("/location/lat", {"location": {"lat": "52.5", "lon": 1}}, "float_type"),
    ("/location/lat", {"location": {"lat": 90.001, "lon": 1}}, "less_than_equal"),
    ("/location/lon", {"location": {"lat": 1, "lon": -180.5}}, "greater_than_equal"),
    ("/location/lat", {"location": {"lat": True, "lon": 1}}, "float_type"),
    ("/location/accuracy_m", {"location": {"lat": 1, "lon": 1, "accuracy_m": -1}}, None),
    # Beyond a float: which rule of pydantic's refuses it does not matter.
    ("/location/lat", {"location": {"lat": 10**400, "lon": 1}}, None),
    ("/location/alt", {"location": {"lat": 1, "lon": 1, "alt": MARK}}, "unknown_field"),
    ("/role", {"role": MARK}, "unknown_field"),
    ("/received_at", {"received_at": "2026-11-23T12:00:00Z"}, "unknown_field"),
    ("/", {"": MARK}, "unknown_field"),
    ("/a~1b~0c", {"a/b~c": MARK}, "unknown_field"),
]

WRONG_DETAILS: list[tuple[str, Any, str]] = [
    ("POST /attendance", {}, "/person_id is required; /event is required."),
    ("POST /attendance", [], "the body must be an object."),
    ("POST /attendance", {**ADA, "site": 1}, "/site must be a string."),
    ("POST /attendance", {**ADA, "site": " "}, "/site must not be empty."),
    ("POST /attendance", {**ADA, "site": "x" * 129}, "/site must have at most 128 characters."),
    (
        "POST /attendance",
        {**ADA, "event": "gone"},
        "/event must be 'check_in', 'check_out', 'break_start', ",
    ),
    ("POST /attendance", {**ADA, "location": 1}, "/location must be an object."),
    (
        "POST /attendance",
        {**ADA, "location": {"lat": "1", "lon": -181}},
        "/location/lat must be a number; /location/lon must be at least -180.",
    ),
    (
        "POST /attendance",
        {**ADA, "location": {"lat": 90.5, "lon": float("nan")}},
        "/location/lat must be at most 90; /location/lon must be a finite number.",
    ),
    ("POST /outbox/retry", {"ids": 1}, "/ids must be an array."),
    ("POST /outbox/retry", {"ids": ["1", 0]}, "/ids/0 must be a whole number; /ids/1 must be at"),
    ("POST /outbox/retry", {"ids": [1] * 501}, "/ids must have at most 500 items."),
    ("GET /attendance?limit=many", None, "/limit must be a whole number."),
    ("GET /attendance?limit=501", None, "/limit must be at most 500."),
    (f"GET /attendance?limit={'9' * 5000}", None, "/limit must be a whole number of fewer"),
    ("GET /outbox?limit=1&limit=1", None, "/limit is given more than once: keep one of them."),
    ("GET /audit/export?format=xml", None, "/format must be 'csv' or 'jsonl'."),
    ("GET /audit/export?raw=perhaps", None, "/raw must be true or false."),
]

WRONG_TIMES = [
    "2025-01-02T09:00:00",  # naive
    "2025-01-02",
    "09:00:00Z",
    "",
    1795424400,
    "1795424400",
    1.5,
    True,
    ["2026-11-23T09:00:00Z"],
    "2026-11-23T09:00Z",
    "2026-11-23T24:00:00Z",
    "2026-11-23T23:59:60Z",
    "2026-02-30T09:00:00Z",
    "2026-13-01T09:00:00Z",
    "2026-11-23T09:00:00+24:00",
    "2026-11-23T09:00:00 Europe/Berlin",
    "\uff12\uff10\uff12\uff16-11-23T09:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "1999-12-31T23:59:59Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-23:59",
    "2026-11-23T09:00:00Z\n",
]

NOT_JSON = [
    b"{",
    b"null,",
    b"[" * 20_000,
    b'{"person_id":' * 5_000,
    b'{"person_id": "\xff\xfe", "event": "check_in"}',
    b'\xef\xbb\xbf{"person_id": "ada", "event": "check_in"}',
    '{"person_id": "ada", "event": "check_in"}'.encode("utf-16"),
    b'{"person_id": "\\ud800", "event": "check_in"}',
    b'{"person_id": "ada", "event": "check_in"} trailing',
    b"{'person_id': 'ada', 'event': 'check_in'}",
    b'{"person_id": "ada", "event": "check_in",}',
    b"person_id=ada&event=check_in",
]


def _codes(problem: dict[str, Any]) -> list[tuple[str, str]]:
    return [(error["pointer"], error["code"]) for error in problem["errors"]]


@pytest.mark.parametrize(("pointer", "wrong", "code"), WRONG_FIELDS)
def test_a_wrong_field_is_named_and_not_echoed(
    api: Api, pointer: str, wrong: dict[str, Any], code: str | None
) -> None:
    answer = api.post({**ADA, **wrong})

    problem = assert_problem(answer, 422, "validation_failed")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert code in {None, problem["errors"][0]["code"]}
    assert set(problem["errors"][0]) == {"pointer", "code", "detail"}
    assert problem["errors"][0]["detail"].startswith(("is ", "must "))
    assert MARK not in answer.text
    assert api.rows("SELECT * FROM attendance") == []


@pytest.mark.parametrize(
    ("asked", "wrong", "detail"), WRONG_DETAILS, ids=lambda value: str(value)[:40]
)
def test_a_mistake_is_told_in_one_sentence(api: Api, asked: str, wrong: Any, detail: str) -> None:
    method, path = asked.split()

    answer = api.get(path) if method == "GET" else api.post(wrong, path, role="admin")

    assert assert_problem(answer, 422, "validation_failed")["detail"].startswith(detail)


@pytest.mark.parametrize("occurred_at", WRONG_TIMES)
def test_what_is_no_time_of_ours_is_refused(api: Api, occurred_at: object) -> None:
    problem = assert_problem(api.post({**ADA, "occurred_at": occurred_at}), 422)

    assert [error["pointer"] for error in problem["errors"]] == ["/occurred_at"]
    assert str(occurred_at) == "" or str(occurred_at) not in problem["detail"]


@pytest.mark.parametrize(
    ("occurred_at", "kept"),
    [
        ("2026-11-23T09:00:00Z", "2026-11-23T09:00:00.000000Z"),
        ("2026-11-23t09:00:00z", "2026-11-23T09:00:00.000000Z"),
        ("2026-11-23 10:00:00.5+01:00", "2026-11-23T09:00:00.500000Z"),
        ("2026-11-23T09:00:00.123456789Z", "2026-11-23T09:00:00.123456Z"),
        ("2026-11-22T21:00:00-12:00", "2026-11-23T09:00:00.000000Z"),
        ("2000-01-01T00:00:00Z", "2000-01-01T00:00:00.000000Z"),
        (None, "2026-11-23T12:00:00.000000Z"),
    ],
)
def test_each_form_of_rfc_3339_is_taken(api: Api, occurred_at: str | None, kept: str) -> None:
    assert api.record(occurred_at=occurred_at)["occurred_at"] == kept


@pytest.mark.parametrize("body", NOT_JSON, ids=lambda body: repr(body[:25]))
def test_what_is_not_json_in_utf_8_is_a_400(api: Api, body: bytes) -> None:
    problem = assert_problem(api.post(body), 400, "invalid_json")

    assert "errors" not in problem


def test_an_empty_body_is_not_json(api: Api) -> None:
    answer = api.call(
        "POST",
        "/attendance",
        role="frontend",
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": "0"},
    )

    assert_problem(answer, 400, "invalid_json")


@pytest.mark.parametrize("body", [[], [ADA], "ada", 17, None, True, -(10**400)])
def test_json_that_is_no_object_is_refused(api: Api, body: object) -> None:
    problem = assert_problem(api.post(json.dumps(body)), 422, "validation_failed")

    assert [error["pointer"] for error in problem["errors"]] == [""]


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_place_is_finite(api: Api, literal: str) -> None:
    body = '{"person_id": "a", "event": "late", "location": {"lat": %s, "lon": 1}}' % literal  # noqa: UP031 - braces

    answer = api.post(body)

    problem = assert_problem(answer, answer.status_code)
    assert answer.status_code in {400, 422}
    assert problem["code"] in {"invalid_json", "validation_failed"}


@pytest.mark.parametrize("number", ["9" * 400, str(2**63), str(-(2**63) - 1)])
def test_a_huge_number_is_no_text(api: Api, number: str) -> None:
    body = f'{{"person_id": {number}, "event": "late"}}'

    assert _codes(assert_problem(api.post(body), 422)) == [("/person_id", "string_type")]


def test_all_mistakes_are_told_at_once(api: Api) -> None:
    wrong = {"event": "gone", "site": 1, "colour": "red", "location": {"lat": 1, "lon": 999}}

    assert set(_codes(assert_problem(api.post(wrong), 422))) == {
        ("/person_id", "required"),
        ("/event", "literal_error"),
        ("/site", "string_type"),
        ("/colour", "unknown_field"),
        ("/location/lon", "less_than_equal"),
    }


def test_an_answer_stays_small_however_many_fields_are_wrong(api: Api) -> None:
    wrong = {f"field-{number}": 1 for number in range(2000)}

    answer = api.post(wrong)

    assert len(assert_problem(answer, 422)["errors"]) == 100
    assert len(answer.data) < 64 * 1024


@pytest.mark.parametrize("name", ["/" * 300, "~" * 300, "a" + "/" * 300, "ä~/" * 100])
def test_a_pointer_that_had_to_be_cut_is_still_a_pointer(api: Api, name: str) -> None:
    pointer = assert_problem(api.post({**ADA, name: 1}), 422)["errors"][0]["pointer"]

    assert len(pointer) <= 200
    step = pointer.removeprefix("/")
    assert "/" not in step
    assert "~" not in step.replace("~0", "").replace("~1", "")


TWICE = [
    ('{"person_id": "ada", "event": "late", "event": "leave"}', ["/event"]),
    ('{"person_id": "ada", "event": "late", "event": "late"}', ["/event"]),
    ('{"person_id": "ada", "event": "late", "\\u0065vent": "late"}', ["/event"]),
    (' \n{"person_id": [], "person_id": "a", "person_id": "ada", "event": "late"}', ["/person_id"]),
    ('{"event": 1, "event": "late", "site": "HQ", "person_id": "a", "site": "HQ"}',
     ["/event", "/site"]),
    ('{"person_id": "a", "event": "late", "location": {"lat": 1, "lon": 1, "lat": 2}}',
     ["/location/lat"]),
    ('{"person_id": %s, "person_id": "a", "event": "late"}' % ("9" * 4300), ["/person_id"]),
    ('{"note": [{"b": 1, "b": 2}], "person_id": "a", "event": "late", "note": null}',
     ["/note/0/b", "/note"]),
    ('{"note": %s1%s, "person_id": "a", "event": "late", "note": null}' % ("[" * 190, "]" * 190),  # noqa: UP031 - braces
     ["/note"]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "pointers"), TWICE, ids=range(len(TWICE)))
def test_a_field_that_is_given_twice_is_named(api: Api, body: str, pointers: list[str]) -> None:
    errors = assert_problem(api.post(body), 422, "validation_failed")["errors"]

    assert [(one["pointer"], one["code"]) for one in errors] == [(p, "repeated") for p in pointers]
    assert errors[0]["detail"] == "is given more than once: keep one of them"
    assert api.rows("SELECT * FROM attendance") == []


def test_of_very_many_repeated_fields_the_first_hundred_are_named(api: Api) -> None:
    names = ", ".join(f'"n{number}": 1, "n{number}": 2' for number in range(150))
    body = f'{{"note": [{{{names}}}], "person_id": "a", "event": "late", "note": null}}'

    assert len(assert_problem(api.post(body), 422)["errors"]) == 100


def test_each_object_has_names_of_its_own(api: Api) -> None:
    answer = api.post('{"person_id": "lat", "event": "late", "location": {"lat": 1, "lon": 1}}')

    assert answer.status_code == 201


@pytest.mark.parametrize(
    "path", ["/attendance/1/void", "/attendance/1/amend", "/outbox/1/retry", "/outbox/retry"]
)
def test_no_other_body_has_a_field_twice_either(api: Api, path: str) -> None:
    answer = api.post('{"reason": "one", "reason": "another"}', path, role="admin")

    assert _codes(assert_problem(answer, 422)) == [("/reason", "repeated")]


def test_a_note_may_have_lines(api: Api) -> None:
    assert api.record(note="one\r\n\ttwo\nthree")["note"] == "one\r\n\ttwo\nthree"


@pytest.mark.parametrize("field", ["person_name", "site", "group", "device", "note", "timezone"])
def test_null_means_that_a_field_is_absent(api: Api, field: str) -> None:
    shown = api.record(**{field: None})[field]

    assert shown == ("UTC" if field == "timezone" else None)


def test_a_refusal_does_not_reach_the_trail_with_what_was_sent(api: Api) -> None:
    api.post({**ADA, "site": [MARK], "note": MARK * 1000})

    assert MARK not in str(api.audited())
    assert api.audited()[0]["reason"].startswith("/site ")


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity"])
def test_a_content_encoding_is_refused_and_named(api: Api, encoding: str) -> None:
    answer = api.post(ADA, headers={"Content-Encoding": encoding})

    assert encoding in assert_problem(answer, 415, "unsupported_media_type")["detail"]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"event": "check_in"}'.encode("utf-16"), "byte order mark"),
        (gzip.compress(b"{}", mtime=0), "gzip"),
    ],
)
def test_a_body_that_is_no_plain_json_is_told_why(api: Api, body: bytes, word: str) -> None:
    assert word in assert_problem(api.post(body), 400, "invalid_json")["detail"]


def test_a_body_that_is_shorter_than_it_says_is_not_taken_for_whole(api: Api) -> None:
    whole = json.dumps(ADA)
    longer = {"CONTENT_LENGTH": str(len(whole) + 1)}
    answer = api.post(whole, environ_overrides=longer)

    assert_problem(answer, 400, "incomplete_body")
    assert api.rows("SELECT * FROM attendance") == []
