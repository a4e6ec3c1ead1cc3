"""Whatever is called a password is struck out: of what was typed, of sentences, and of JSON."""

import json
import time

import pytest

from attendance.config.secrets import command_line, redact, redact_json, without_passwords

TOKEN = "12345:" + "A" * 35
KEY = "att_" + "k" * 43

ASSIGNED = [
    ("password=hunter2", "password=[secret]"),
    ("PASSWORD = hunter2 user=me", "PASSWORD = [secret] user=me"),
    ("PGPASSWORD=hunter2", "PGPASSWORD=[secret]"),
    ("--password=hunter2", "--password=[secret]"),
    ("sslpassword=hunter2 sslmode=require", "sslpassword=[secret] sslmode=require"),
    ("host=h password='hunter2 and more' user=me", "host=h password=[secret] user=me"),
    ('host=h password="hunter2 and more" user=me', "host=h password=[secret] user=me"),
    (r"host=h password=hunter2\ and\ more user=me", "host=h password=[secret] user=me"),
    (r"host=h password='hunter2\' and more' user=me", "host=h password=[secret] user=me"),
    ("password='hunter2 without an end", "password=[secret]"),
    ("pwd=hunter2", "pwd=[secret]"),
    ("passphrase=hunter2", "passphrase=[secret]"),
    ("TELEGRAM_BOT_TOKEN=hunter2", "TELEGRAM_BOT_TOKEN=[secret]"),
    ("AUDIT_HMAC_KEY=hunter2", "AUDIT_HMAC_KEY=[secret]"),
    ("SECRET_KEY=hunter2", "SECRET_KEY=[secret]"),
    ("api-key=hunter2 x=1", "api-key=[secret] x=1"),
    ("postgresql://me:hunter2@host/a", "postgresql://me:[secret]@host/a"),
    ("postgresql://me@host/a?password=hunter2", "postgresql://me@host/a?password=[secret]"),
]
TYPED = [
    *ASSIGNED,
    ("password=hunter2 and more", "password=[secret]"),
    ("password=hunter2 and more user=me", "password=[secret] user=me"),
    ("--password hunter2", "--password [secret]"),
    ("--DB-Password  'hunter2 and more' --json", "--DB-Password  [secret] --json"),
    ("--token hunter2", "--token [secret]"),
]
INNOCENT = [
    "the token was wrong",
    "TELEGRAM_BOT_TOKEN_FILE=/run/secrets/bot",
    "host=h dbname=attendance passfile=/home/me/.pgpass",
    "Option '--token' requires an argument.",
    "a=b",
]


@pytest.mark.parametrize(("text", "shown"), ASSIGNED)
def test_a_password_by_its_name_is_struck_out_of_every_text(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(("text", "shown"), TYPED)
def test_what_was_typed_loses_every_form_of_it(text: str, shown: str) -> None:
    assert without_passwords(text) == shown


@pytest.mark.parametrize("text", INNOCENT)
def test_what_names_no_password_stays(text: str) -> None:
    assert without_passwords(text) == redact(text) == text


@pytest.mark.parametrize(("text", "shown"), ASSIGNED)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_in_json_it_is_struck_out_and_the_rest_is_json_still(
    text: str, shown: str, separators: tuple[str, str]
) -> None:
    written = json.dumps({"before": "x y", "said": text, "after": "z"}, separators=separators)

    assert json.loads(redact_json(written)) == {"before": "x y", "said": shown, "after": "z"}


@pytest.mark.parametrize(
    "end", ["", "'", '"', "\\", "'\\", '"\\"', "\u00e9'", "\n", " ", "' ", '" b="', "a'b\"c"]
)
def test_wherever_a_value_breaks_off_json_stays_json(end: str) -> None:
    written = json.dumps({"said": f"password={end}", "after": "z"})

    assert json.loads(redact_json(written))["after"] == "z"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("--password", "hunter2 x", "-v"), "--password '[secret]' -v"),
        (("--Api-Key", "hunter2"), "--Api-Key '[secret]'"),
        (("--password=hunter2 x", "-v"), "'--password=[secret]' -v"),
        (("password=hunter2 x",), "'password=[secret]'"),
        (("--to", "host=h password='a hunter2'"), "--to 'host=h password=[secret]'"),
        (("--to", "postgresql://me:hunter2 x@host"), "--to 'postgresql://me:[secret]@host'"),
        ((TOKEN, KEY), "'[secret]' '[secret]'"),
        (("list", "front door"), "list 'front door'"),
        ((), ""),
    ],
)
def test_a_command_line_is_as_it_was_typed_without_them(words: tuple[str, ...], shown: str) -> None:
    assert command_line(words) == shown


def test_what_is_struck_out_stays_so() -> None:
    for text, shown in TYPED:
        assert without_passwords(without_passwords(text)) == shown


HOSTILE = [
    "://",
    "://a:",
    "://a:@",
    "password=",
    "password= ",
    "password='",
    'password=\\"',
    "-",
    "?",
]


@pytest.mark.parametrize("part", HOSTILE)
@pytest.mark.parametrize("strike", [redact, redact_json, without_passwords])
def test_twice_the_text_takes_no_more_than_a_few_times_the_time(part: str, strike: object) -> None:
    """A client may write what it likes; the time is to grow with the length, not its square."""
    assert callable(strike)

    def seconds(length: int) -> float:
        text = "=" + part * (length // len(part))
        started = time.process_time()
        strike(text)
        return time.process_time() - started

    short, long = (min(seconds(length) for _ in range(3)) for length in (4_000, 64_000))
    assert long < 0.02 + 40 * short  # sixteen times as much; squared it would be 256
