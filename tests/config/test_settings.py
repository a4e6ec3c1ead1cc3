"""The settings: what each variable defaults to, takes and refuses, and how it says so."""

from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from attendance.config import ConfigError, RateSetting, Settings, Timeout, TrustedProxies
from attendance.config.secrets import Secret

TOKEN = "123456789:AAH-thisIsNoRealToken_ofAnyBot0123"
SIGNING = "a-signing-secret-of-some-length"
SEALING = "an-audit-secret-of-some-length"
SECRETS = {"TELEGRAM_BOT_TOKEN": TOKEN, "SECRET_KEY": SIGNING, "AUDIT_HMAC_KEY": SEALING}


def _settings(**environ: str) -> Settings:
    return Settings.from_env(environ)


def _refusal(environ: Mapping[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        Settings.from_env(environ)
    return str(caught.value)


DEFAULTS: dict[str, Any] = {
    "database_url": "sqlite:///attendance.db",
    "database_group": None,
    "telegram_bot_token": None,
    "telegram_chat_id": None,
    "telegram_api_base": "https://api.telegram.org",
    "telegram_timeout": Timeout(3.05, 35),
    "outbox_poll_seconds": 1.0,
    "outbox_lease_seconds": 60.0,
    "outbox_give_up_after": timedelta(days=1),
    "outbox_retention_days": 90.0,
    "outbox_uncertain": "retry",
    "outbox_digest": "auto",
    "outbox_rate_overall": RateSetting(30, 1),
    "outbox_rate_chat": RateSetting(1, 1),
    "outbox_rate_group": RateSetting(20, 60),
    "dispatcher": True,
    "dedupe_seconds": 120.0,
    "timezone": ZoneInfo("UTC"),
    "notice_template": {},
    "secret_key": None,
    "audit_hmac_key": None,
    "audit_anchor_chat": None,
    "trusted_proxies": TrustedProxies(),
    "rate_limit_key": RateSetting(100_000, 3600),
    "web_concurrency": 2,
    "bind": "127.0.0.1:8000",
    "log_format": None,
}


def test_an_empty_environment_gives_the_defaults_of_the_contract() -> None:
    settings = _settings()

    assert {name: getattr(settings, name) for name in Settings.__dataclass_fields__} == DEFAULTS


def test_an_empty_value_is_none() -> None:
    assert _settings(DATABASE_URL="", TELEGRAM_CHAT_ID="  ", TIMEZONE="", SECRET_KEY="") == (
        _settings()
    )


GOOD: list[tuple[str, str, str, Any]] = [
    ("DATABASE_URL", "sqlite:////var/lib/a.db", "database_url", "sqlite:////var/lib/a.db"),
    ("DATABASE_URL", "postgresql+psycopg://h/d", "database_url", "postgresql+psycopg://h/d"),
    ("DATABASE_GROUP", "auditors", "database_group", "auditors"),
    ("TELEGRAM_BOT_TOKEN", f" {TOKEN}\n", "telegram_bot_token", Secret(TOKEN)),
    ("TELEGRAM_CHAT_ID", "-1001234567890", "telegram_chat_id", "-1001234567890"),
    ("TELEGRAM_CHAT_ID", "@the_office", "telegram_chat_id", "@the_office"),
    ("TELEGRAM_API_BASE", "http://localhost:8081/", "telegram_api_base", "http://localhost:8081"),
    ("TELEGRAM_API_BASE", "http://[::1]:81/b/", "telegram_api_base", "http://[::1]:81/b"),
    ("TELEGRAM_TIMEOUT", "1, 30.5", "telegram_timeout", Timeout(1, 30.5)),
    ("OUTBOX_POLL_SECONDS", "0.05", "outbox_poll_seconds", 0.05),
    ("OUTBOX_LEASE_SECONDS", "37", "outbox_lease_seconds", 37.0),
    ("OUTBOX_GIVE_UP_AFTER", "3600", "outbox_give_up_after", timedelta(hours=1)),
    ("OUTBOX_RETENTION_DAYS", "365", "outbox_retention_days", 365.0),
    ("OUTBOX_UNCERTAIN", "HOLD", "outbox_uncertain", "hold"),
    ("OUTBOX_DIGEST", "Off", "outbox_digest", "off"),
    ("OUTBOX_RATE_OVERALL", "off", "outbox_rate_overall", None),
    ("OUTBOX_RATE_CHAT", "3/2.5s", "outbox_rate_chat", RateSetting(3, 2.5)),
    ("OUTBOX_RATE_GROUP", "15/60s", "outbox_rate_group", RateSetting(15, 60)),
    ("RATE_LIMIT_KEY", "9999999/86400s", "rate_limit_key", RateSetting(9_999_999, 86400)),
    ("RATE_LIMIT_KEY", "off", "rate_limit_key", None),
    ("NOTICE_TEMPLATE", " {person} ", "notice_template", {"NOTICE_TEMPLATE": "{person}"}),
    ("NOTICE_TEMPLATE_LATE", "x", "notice_template", {"NOTICE_TEMPLATE_LATE": "x"}),
    ("NOTICE_TEMPLATES", "x", "notice_template", {}),
    ("DISPATCHER", "off", "dispatcher", False),
    ("DEDUPE_SECONDS", "0", "dedupe_seconds", 0.0),
    ("TIMEZONE", "Europe/Berlin", "timezone", ZoneInfo("Europe/Berlin")),
    ("SECRET_KEY", SIGNING, "secret_key", Secret(SIGNING)),
    ("AUDIT_HMAC_KEY", SEALING, "audit_hmac_key", Secret(SEALING)),
    ("AUDIT_ANCHOR_CHAT", "-1001234567890", "audit_anchor_chat", "-1001234567890"),
    (
        "TRUSTED_PROXIES",
        "10.0.0.1, 192.168.0.0/16,::1",
        "trusted_proxies",
        TrustedProxies((ip_network("10.0.0.1"), ip_network("192.168.0.0/16"), ip_network("::1"))),
    ),
    (
        "TRUSTED_PROXIES",
        "unix,10.0.0.1",
        "trusted_proxies",
        TrustedProxies((ip_network("10.0.0.1"),), unix=True),
    ),
    ("WEB_CONCURRENCY", "1", "web_concurrency", 1),
    ("WEB_CONCURRENCY", "1000", "web_concurrency", 1000),
    ("BIND", "unix:/run/attendance.sock", "bind", "unix:/run/attendance.sock"),
    ("LOG_FORMAT", "json", "log_format", "json"),
]


@pytest.mark.parametrize(("variable", "text", "field", "value"), GOOD)
def test_a_good_value_is_read(variable: str, text: str, field: str, value: object) -> None:
    assert getattr(Settings.from_env({variable: text}), field) == value


BAD: list[tuple[str, str, str]] = [
    # variable             value                              the remedy says
    ("DATABASE_URL", "attendance.db", "sqlite:"),
    ("DATABASE_URL", "mysql://h/d", "postgresql+psycopg:"),
    ("DATABASE_URL", "postgresql://u:hunter2hunter2@h/d", "postgresql+psycopg:"),
    ("DATABASE_GROUP", "two words", "no space"),
    ("TELEGRAM_BOT_TOKEN", "nonsense-of-a-token", "BotFather"),
    ("TELEGRAM_BOT_TOKEN", "bot" + TOKEN, "BotFather"),
    ("TELEGRAM_BOT_TOKEN", TOKEN + " x", "BotFather"),
    ("TELEGRAM_CHAT_ID", "12.5", "-1001234567890"),
    ("TELEGRAM_CHAT_ID", "the office", "@name"),
    ("TELEGRAM_CHAT_ID", "\u0662", "whole number"),
    ("TELEGRAM_CHAT_ID", TOKEN, "whole number"),
    ("TELEGRAM_API_BASE", "api.telegram.org", "https://api.telegram.org"),
    ("TELEGRAM_API_BASE", "ftp://h", "https://api.telegram.org"),
    ("TELEGRAM_API_BASE", "http://", "https://api.telegram.org"),
    ("TELEGRAM_API_BASE", "http://h/?x=1", "https://api.telegram.org"),
    ("TELEGRAM_API_BASE", "http://h/#x", "https://api.telegram.org"),
    ("TELEGRAM_API_BASE", "http://[::1", "https://api.telegram.org"),
    ("TELEGRAM_API_BASE", "http://h:99999", "https://api.telegram.org"),
    ("TELEGRAM_TIMEOUT", "35", "3.05,35"),
    ("TELEGRAM_TIMEOUT", "1,2,3", "3.05,35"),
    ("TELEGRAM_TIMEOUT", "fast,slow", "number"),
    ("TELEGRAM_TIMEOUT", "0,35", "above 0"),
    ("TELEGRAM_TIMEOUT", "40,35", "longer than the total"),
    ("OUTBOX_POLL_SECONDS", "0", "above 0"),
    ("OUTBOX_POLL_SECONDS", "nan", "number"),
    ("OUTBOX_LEASE_SECONDS", "soon", "number"),
    ("OUTBOX_LEASE_SECONDS", "inf", "number"),
    ("OUTBOX_GIVE_UP_AFTER", "-1", "above 0"),
    ("OUTBOX_GIVE_UP_AFTER", "1e300", "number"),
    ("OUTBOX_RETENTION_DAYS", "0", "1 to 36500"),
    ("OUTBOX_RETENTION_DAYS", "1e6", "1 to 36500"),
    ("OUTBOX_UNCERTAIN", "maybe", "retry or hold"),
    ("OUTBOX_DIGEST", "on", "auto or off"),
    ("OUTBOX_RATE_OVERALL", "30", "20/60s"),
    ("OUTBOX_RATE_CHAT", "1/0s", "20/60s"),
    ("OUTBOX_RATE_GROUP", "0/60s", "20/60s"),
    ("OUTBOX_RATE_GROUP", "20/1m", "20/60s"),
    ("OUTBOX_RATE_GROUP", "10000/60s", "20/60s"),
    ("OUTBOX_RATE_GROUP", "20/3601s", "20/60s"),
    ("RATE_LIMIT_KEY", "600", "20/60s"),
    ("RATE_LIMIT_KEY", "0/60s", "20/60s"),
    ("RATE_LIMIT_KEY", "600/86401s", "20/60s"),
    ("RATE_LIMIT_KEY", "10000000/60s", "20/60s"),
    ("DISPATCHER", "yes", "on or off"),
    ("DEDUPE_SECONDS", "-0.1", "0 or more"),
    ("TIMEZONE", "Berlin", "Europe/Berlin"),
    ("TIMEZONE", "../etc/passwd", "Europe/Berlin"),
    ("SECRET_KEY", "short-secret-15", "16 characters"),
    ("AUDIT_HMAC_KEY", "short-secret-15", "16 characters"),
    ("AUDIT_ANCHOR_CHAT", "the office", "@name"),
    ("TRUSTED_PROXIES", "10.0.0.1/8", "10.0.0.0/8"),
    ("TRUSTED_PROXIES", "localhost", "10.0.0.1"),
    ("WEB_CONCURRENCY", "0", "1 to 1000"),
    ("WEB_CONCURRENCY", "2.0", "1 to 1000"),
    ("WEB_CONCURRENCY", "\u0662", "1 to 1000"),
    ("WEB_CONCURRENCY", "9" * 5000, "1 to 1000"),
    ("BIND", "127.0.0.1: 8000", "an address and a port"),
    ("BIND", "127.0.0.1:99999", "an address and a port"),
    ("BIND", "foo", "an address and a port"),
    ("TIMEZONE", "localtime", "IANA"),
    ("LOG_FORMAT", "xml", "text or json"),
]


@pytest.mark.parametrize(("variable", "text", "remedy"), BAD)
def test_a_bad_value_is_refused_in_one_sentence(variable: str, text: str, remedy: str) -> None:
    sentence = _refusal({variable: text})

    assert sentence.startswith(f"{variable} ")
    assert remedy in sentence
    assert "\n" not in sentence
    assert len(sentence) < 300


@pytest.mark.parametrize(
    ("variable", "text"), [row[:2] for row in BAD if row[0] in SECRETS or row[1] == TOKEN]
)
def test_a_secret_that_is_wrong_is_not_printed(variable: str, text: str) -> None:
    assert text not in _refusal({variable: text})


def test_the_password_in_a_database_s_address_is_not_printed() -> None:
    assert "hunter2" not in _refusal({"DATABASE_URL": "postgresql://u:hunter2hunter2@h/d"})
    settings = _settings(DATABASE_URL="postgresql+psycopg://u:hunter2hunter2@h/d")
    assert "hunter2" not in repr(settings)


def test_settings_do_not_print_their_secrets() -> None:
    settings = Settings.from_env(SECRETS)

    for text in (repr(settings), str(settings), f"{settings}", repr(settings.secret_key)):
        assert TOKEN not in text
        assert TOKEN.partition(":")[2] not in text
        assert SIGNING not in text
        assert SEALING not in text


@pytest.mark.parametrize(("name", "value"), SECRETS.items())
@pytest.mark.parametrize("ending", ["", "\n", "\r\n", " \n\n"])
def test_a_secret_may_be_in_a_file(tmp_path: Path, name: str, value: str, ending: str) -> None:
    path = tmp_path / "secret"
    path.write_text(value + ending)

    settings = Settings.from_env({f"{name}_FILE": str(path)})

    assert getattr(settings, name.lower()) == Secret(value)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_s_file_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    sentence = _refusal({f"{name}_FILE": str(tmp_path / "none")})

    assert sentence.startswith(f"{name}_FILE names {tmp_path / 'none'}")
    assert "No such file" in sentence
    assert "correct the path" in sentence


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_secret_s_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "secret"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    assert "cannot be read" in _refusal({"SECRET_KEY_FILE": str(path)})


def test_what_a_secret_s_file_holds_is_checked_and_not_printed(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("nonsense-of-a-token")

    sentence = _refusal({"TELEGRAM_BOT_TOKEN_FILE": str(path)})

    assert "BotFather" in sentence
    assert "nonsense" not in sentence


@pytest.mark.parametrize(("name", "value"), SECRETS.items())
def test_a_secret_is_given_once(tmp_path: Path, name: str, value: str) -> None:
    sentence = _refusal({name: value, f"{name}_FILE": str(tmp_path / "secret")})

    assert sentence == f"{name} and {name}_FILE are both set: keep one of them."


def test_a_lease_that_is_shorter_than_a_delivery_can_take_is_refused() -> None:
    sentence = _refusal({"OUTBOX_LEASE_SECONDS": "36.9"})

    assert sentence.startswith("OUTBOX_LEASE_SECONDS is 36.9")
    assert "TELEGRAM_TIMEOUT" in sentence
    assert "at least 37" in sentence


def test_a_longer_timeout_needs_a_longer_lease() -> None:
    assert "at least 92" in _refusal({"TELEGRAM_TIMEOUT": "3,90"})
    settings = _settings(TELEGRAM_TIMEOUT="3,90", OUTBOX_LEASE_SECONDS="92")
    assert settings.stop_seconds == 100.0


@pytest.mark.parametrize(
    ("environ", "configured"),
    [
        ({}, False),
        ({"TELEGRAM_BOT_TOKEN": TOKEN}, False),
        ({"TELEGRAM_CHAT_ID": "1"}, False),
        ({"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_CHAT_ID": "1"}, True),
    ],
)
def test_telegram_is_configured_with_a_token_and_a_chat(
    environ: dict[str, str], *, configured: bool
) -> None:
    assert Settings.from_env(environ).telegram_configured is configured
