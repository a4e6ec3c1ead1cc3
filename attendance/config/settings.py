"""Read the settings once from the environment, typed and checked; each mistake is one sentence.

Standard library only. The table of variables is in docs/settings.md; a test holds the two together.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from attendance.config.environment import ConfigError, Environment
from attendance.config.proxies import TrustedProxies, proxies
from attendance.config.rates import RateSetting, key_rate, rate
from attendance.config.secrets import Secret

__all__ = ["ConfigError", "RateSetting", "Settings", "Timeout", "chat_id"]

LEASE_MARGIN_SECONDS = 2.0
"""How much longer than a delivery a lease must live, for the settlement to be written in time."""

STOP_MARGIN_SECONDS = 10.0
"""How much longer than a delivery's total gunicorn waits before it kills a worker."""


@dataclass(frozen=True, slots=True)
class Timeout:
    """`connect_seconds` to reach the Bot API, `total_seconds` for everything done under one
    claim."""

    connect_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that the environment decides. Durations are in the unit that their name ends
    in."""

    database_url: str = field(repr=False)  # that of a server holds a password
    database_group: str | None
    telegram_bot_token: Secret | None
    telegram_chat_id: str | None
    telegram_api_base: str
    telegram_timeout: Timeout
    outbox_poll_seconds: float
    outbox_lease_seconds: float
    outbox_give_up_after: timedelta
    outbox_retention_days: float
    outbox_uncertain: Literal["retry", "hold"]
    outbox_digest: Literal["auto", "off"]
    outbox_rate_overall: RateSetting | None
    outbox_rate_chat: RateSetting | None
    outbox_rate_group: RateSetting | None
    dispatcher: bool
    dedupe_seconds: float
    timezone: ZoneInfo
    notice_template: Mapping[str, str]  # by variable; `notifications.texts` reads them
    secret_key: Secret | None
    audit_hmac_key: Secret | None
    audit_anchor_chat: str | None
    trusted_proxies: TrustedProxies
    rate_limit_key: RateSetting | None
    web_concurrency: int
    bind: str
    log_format: Literal["text", "json"] | None

    @property
    def telegram_configured(self) -> bool:
        return self.telegram_bot_token is not None and self.telegram_chat_id is not None

    @property
    def stop_seconds(self) -> float:
        """How long a stopping worker may take: for what is in flight, and the note of it."""
        return self.telegram_timeout.total_seconds + STOP_MARGIN_SECONDS

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings from `environ`.

        Raises:
            ConfigError: a value is wrong, or two values contradict each other.
        """
        read = Environment(environ)
        settings = cls(
            database_url=read.or_file("DATABASE_URL", "sqlite:///attendance.db", _database_url),
            database_group=read.optional("DATABASE_GROUP", _word),
            telegram_bot_token=read.secret("TELEGRAM_BOT_TOKEN", _bot_token),
            telegram_chat_id=read.optional("TELEGRAM_CHAT_ID", chat_id),
            telegram_api_base=read("TELEGRAM_API_BASE", "https://api.telegram.org", _http_url),
            telegram_timeout=read("TELEGRAM_TIMEOUT", "3.05,35", _timeout),
            outbox_poll_seconds=read("OUTBOX_POLL_SECONDS", "1.0", _positive),
            outbox_lease_seconds=read("OUTBOX_LEASE_SECONDS", "60", _positive),
            outbox_give_up_after=read("OUTBOX_GIVE_UP_AFTER", "86400", _seconds),
            outbox_retention_days=read("OUTBOX_RETENTION_DAYS", "90", _days),
            outbox_uncertain=read("OUTBOX_UNCERTAIN", "retry", _one_of("retry", "hold")),
            outbox_digest=read("OUTBOX_DIGEST", "auto", _one_of("auto", "off")),
            outbox_rate_overall=read("OUTBOX_RATE_OVERALL", "30/1s", rate),
            outbox_rate_chat=read("OUTBOX_RATE_CHAT", "1/1s", rate),
            outbox_rate_group=read("OUTBOX_RATE_GROUP", "20/60s", rate),
            dispatcher=read("DISPATCHER", "on", _one_of("on", "off")) == "on",
            dedupe_seconds=read("DEDUPE_SECONDS", "120", _not_negative),
            timezone=read("TIMEZONE", "UTC", zone),
            notice_template=read.family("NOTICE_TEMPLATE"),
            secret_key=read.secret("SECRET_KEY", _secret_key),
            audit_hmac_key=read.secret("AUDIT_HMAC_KEY", _secret_key),
            audit_anchor_chat=read.optional("AUDIT_ANCHOR_CHAT", chat_id),
            trusted_proxies=read("TRUSTED_PROXIES", "", proxies),
            rate_limit_key=read("RATE_LIMIT_KEY", "100000/3600s", key_rate),
            web_concurrency=read("WEB_CONCURRENCY", "2", _count),
            bind=read("BIND", "127.0.0.1:8000", _address),
            log_format=read.optional("LOG_FORMAT", _one_of("text", "json")),
        )
        _check_together(settings)
        return settings


def _check_together(settings: Settings) -> None:
    total = settings.telegram_timeout.total_seconds
    shortest = total + LEASE_MARGIN_SECONDS
    if settings.outbox_lease_seconds < shortest:
        raise ConfigError(
            f"OUTBOX_LEASE_SECONDS is {settings.outbox_lease_seconds:g}, but a delivery may take "
            f"{total:g} s (TELEGRAM_TIMEOUT): set it to at least {shortest:g}, or another worker "
            "would send the same message while the first is still at it."
        )


def _database_url(text: str) -> str:
    if not text.startswith(("sqlite:", "postgresql+psycopg:")):
        raise ValueError(
            "must begin with sqlite: or postgresql+psycopg:, as in sqlite:////var/lib/attendance.db"
        )
    # Known as a secret from now on. A malformed URL is refused when the database is opened.
    with suppress(ValueError):
        parts = urlsplit(text)
        for password in (unquote(parts.password or ""), *parse_qs(parts.query).get("password", ())):
            Secret(password)
    return text


def _bot_token(text: str) -> str:
    if not re.fullmatch(r"\d+:[A-Za-z0-9_-]+", text):
        raise ValueError(
            "is not a bot token: paste it as BotFather gave it, digits, a colon, then letters."
        )
    return text


def chat_id(text: str) -> str:
    """Return `text` if it can be a chat's id. Raises ValueError, whose words follow the name of
    whatever holds it."""
    if not re.fullmatch(r"-?\d{1,19}|@[A-Za-z]\w{3,}", text, re.ASCII):
        raise ValueError(f"is {text!r}: a chat is a whole number such as -1001234567890, or @name.")
    return text


def _http_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "?" in text or "#" in text:
        raise ValueError("must be an address such as https://api.telegram.org, without a query.")
    return text.rstrip("/")


def _timeout(text: str) -> Timeout:
    parts = text.split(",")
    if len(parts) != 2:
        raise ValueError(f"is {text!r}: give two numbers of seconds, connect and total: 3.05,35.")
    connect, total = _positive(parts[0]), _positive(parts[1])
    if connect > total:
        raise ValueError(f"is {text!r}: the time to connect is longer than the total.")
    return Timeout(connect, total)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) <= 10**9:  # written so that NaN, for which nothing holds, is refused too
        raise ValueError(f"is {text!r}: give a number, such as 60.")
    return value


def _positive(text: str) -> float:
    if (value := _number(text)) <= 0:
        raise ValueError(f"is {text!r}: give a number above 0.")
    return value


def _not_negative(text: str) -> float:
    if (value := _number(text)) < 0:
        raise ValueError(f"is {text!r}: give 0 or more.")
    return value


def _seconds(text: str) -> timedelta:
    return timedelta(seconds=_positive(text))


def _days(text: str) -> float:
    if not 1 <= (value := _number(text)) <= 36500:
        raise ValueError(f"is {text!r}: give a number of days from 1 to 36500.")
    return value


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= 1000:
        raise ValueError(f"is {text[:20]!r}: give a whole number from 1 to 1000.")
    return int(text)


def zone(name: str) -> ZoneInfo:
    """Return the IANA time zone of this name. Raises ValueError for any other name: "localtime" is
    a file on many systems, and is another zone on each."""
    try:
        found = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        found = None
    # Where no list of zones can be had, whatever could be loaded will do.
    if found is None or name not in (_zone_names() or {name}):
        raise ValueError(f"is {name!r}: give an IANA name such as Europe/Berlin.")
    return found


@cache
def _zone_names() -> set[str]:
    return available_timezones() - {"localtime", "posixrules", "Factory"}


def _secret_key(text: str) -> str:
    if len(text) < 16:
        raise ValueError("is too short to sign with: give 16 characters or more, at random.")
    return text


def _address(text: str) -> str:
    if re.fullmatch(r"unix:\S+", text):
        return text
    found = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^\s:/\[\]]*):([0-9]{1,5})", text)
    if found is None or not 1 <= int(found[2]) <= 65535:
        raise ValueError(
            f"is {text!r}: give an address and a port such as 127.0.0.1:8000, or unix:/a/path."
        )
    return text


def _word(text: str) -> str:
    if not re.fullmatch(r"\S+", text):
        raise ValueError(f"is {text!r}: no space is allowed in it.")
    return text


def _one_of(*choices: str) -> Callable[[str], Any]:
    """Make a parser that takes one of `choices`; the field's Literal lists the same."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"is {text!r}: give {' or '.join(choices)}.")
        return text.lower()

    return parse
