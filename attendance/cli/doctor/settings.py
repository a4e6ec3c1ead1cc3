"""Whether the settings are ours, and within what Telegram takes."""

import os

from attendance.cli.doctor.findings import Finding, Findings
from attendance.config import RateSetting, Settings
from attendance.config.typos import did_you_mean


def misspelt() -> Findings:
    """Warn of variables that look like a setting and are none."""
    ignored = did_you_mean(os.environ)
    for name, meant in ignored.items():
        yield Finding("warn", "settings", f"{name} is no setting", f"write {meant}, or unset it")
    if not ignored:
        yield Finding("ok", "settings", "all are well-formed")


def proxies(settings: Settings) -> Findings:
    """Warn where a proxy is sure to stand in front, and is not believed."""
    if settings.bind.startswith("unix:") and not settings.trusted_proxies.unix:
        found = "BIND is a socket, and whoever comes by it has no address"
        remedy = "set TRUSTED_PROXIES=unix, and the proxy to send X-Forwarded-For"
        yield Finding("warn", "proxies", found, remedy)


def rates(settings: Settings) -> Findings:
    """Warn where the limits are wider than Telegram's, as far as those are known."""
    wide = False
    for name, given, known in (
        ("OUTBOX_RATE_OVERALL", settings.outbox_rate_overall, RateSetting(30, 1)),
        ("OUTBOX_RATE_CHAT", settings.outbox_rate_chat, RateSetting(1, 1)),
        ("OUTBOX_RATE_GROUP", settings.outbox_rate_group, RateSetting(20, 60)),
    ):
        if given is None or given.count / given.seconds > known.count / known.seconds:
            wide = True
            remedy = f"set it to {known} or less, or expect to be told to wait (429)"
            found = f"{name} is {given or 'off'}, and Telegram takes about {known}"
            yield Finding("warn", "pace", found, remedy)
    if not wide:
        yield Finding("ok", "pace", "within what Telegram is known to take")
