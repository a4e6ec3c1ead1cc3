"""Settings whose name is misspelt: told, without what they hold."""

import logging

import pytest

from attendance.config import ConfigError, Settings
from attendance.config.typos import did_you_mean, warn

MEANT = {
    "OUTBOX_POL_SECONDS": "OUTBOX_POLL_SECONDS",
    "OUTBOX_RATE_GROUPS": "OUTBOX_RATE_GROUP",
    "OUTBOX_RETENTION": "OUTBOX_RETENTION_DAYS",
    "TELEGRAM_BOT_TOKE": "TELEGRAM_BOT_TOKEN",
    "TELEGRAM_TOKEN": "TELEGRAM_BOT_TOKEN",
    "TELEGRAM_BOT_TOKE_FILE": "TELEGRAM_BOT_TOKEN_FILE",
    "DATABASE_URI": "DATABASE_URL",
    "DEDUP_SECONDS": None,  # not a prefix of ours
    "AUDIT_HMAC_KEYS": "AUDIT_HMAC_KEY",
    "NOTICE_TEMPLATES": "NOTICE_TEMPLATE",
    "NOTICE_TEMPLATE_CHECKIN": None,  # refused by its own sentence
    "NOTICE_TEMPLATE_LATE": None,  # a setting
    "TELEGRAM_CHAT_ID_FILE": "TELEGRAM_CHAT_ID",  # no secret
    "TELEGRAM_API_ID": None,
    "TELEGRAM_API_HASH": None,
    "DATABASE_HOST": None,
    "DATABASE_USER": None,
    "OUTBOX": None,
    "TIMEZONES": None,
}


@pytest.mark.parametrize(("name", "meant"), MEANT.items())
def test_what_looks_like_a_setting_is_told_with_what_is_meant(name: str, meant: str | None) -> None:
    assert did_you_mean({name: "x", "PATH": "/bin"}) == ({name: meant} if meant else {})


NAMES = [name.upper() for name in Settings.__dataclass_fields__]


def test_a_setting_is_not_misspelt() -> None:
    assert [name for name in NAMES if did_you_mean({name: "x"})] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_named_for_those_settings_that_may_be_read_from_one(name: str) -> None:
    told = name not in OTHERWISE and bool(did_you_mean({f"{name}_FILE": "/no/such/file"}))
    try:
        Settings.from_env({f"{name}_FILE": "/no/such/file"})
    except ConfigError:
        assert not told
    else:
        assert told or name in OTHERWISE


OTHERWISE = {
    *("BIND", "DISPATCHER", "LOG_FORMAT", "TIMEZONE", "TRUSTED_PROXIES", "WEB_CONCURRENCY"),
    "NOTICE_TEMPLATE",  # of which each that follows is one, for an event
}
"""What begins with no prefix of ours."""


@pytest.mark.parametrize("given", ["TELEGRAM_BOT_TOKEN", "TELEGRAM_BOT_TOKEN_FILE"])
def test_a_name_like_one_that_is_set_is_somebody_else_s(given: str) -> None:
    assert did_you_mean({"TELEGRAM_TOKEN": "x", given: "y"}) == {}
    assert did_you_mean({"TELEGRAM_TOKEN": "x", given: " "})  # an empty one counts as unset


def test_the_warning_does_not_show_the_value(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        warn({"TELEGRAM_BOT_TOKE": "123456:a-secret"})

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert (
        record.getMessage()
        == "TELEGRAM_BOT_TOKE is no setting: write TELEGRAM_BOT_TOKEN, or unset it."
    )
