"""What looks like a secret of ours is struck out of every text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendance.config import secrets
from attendance.config.secrets import redact, without_passwords

KEY = "att_" + "k" * 43
TOKEN = "12345:" + "A" * 35
PIECES = ("12345", ":", "%3A", "%3a", "A" * 16, "A" * 15, "att_", "k" * 20, " ", '"', "é", "\n")


@pytest.mark.parametrize(
    "shown", [KEY, TOKEN, TOKEN.replace(":", "%3A"), TOKEN.replace(":", "%3a")]
)
def test_a_key_or_a_token_is_struck_out_wherever_it_stands(shown: str) -> None:
    assert redact(f'{{"note":"{shown}"}}') == '{"note":"[secret]"}'


def test_a_text_without_a_secret_stays_as_it_is() -> None:
    text = '{"occurred_at":"2026-11-23 09:31:12.123456+00:00","id":12345}'
    assert redact(text) == text


@pytest.mark.slow
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_no_look_ahead_misses_what_the_patterns_would_find(text: str) -> None:
    assert redact(text) == secrets._PATTERNS.sub("[secret]", text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql+psycopg://me:pw@host/a", "postgresql+psycopg://me:[secret]@host/a"),
        ("x://:p:w/d@host", "x://:[secret]@host"),
        ("x://me:p w@host/a", "x://me:[secret]@host/a"),
        ("x://me:p@w\n@host/a", "x://me:[secret]@host/a"),
        ("x://me@/a?password=p'w x&host=h", "x://me@/a?password=[secret]&host=h"),
        ("x://host/a?host=h&password=pw", "x://host/a?host=h&password=[secret]"),
        ("http://127.0.0.1:8000/a", "http://127.0.0.1:8000/a"),
        ("me@host", "me@host"),
        ("x://me@host:5432/a", "x://me@host:5432/a"),
    ],
)
def test_the_password_of_a_url_is_struck_out_whatever_it_holds(text: str, shown: str) -> None:
    assert without_passwords(text) == shown
