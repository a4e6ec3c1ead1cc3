"""Find variables that look like a misspelt setting, which would otherwise be silently ignored."""

import logging
from collections.abc import Mapping
from difflib import get_close_matches
from typing import get_type_hints

from attendance.config.secrets import Secret
from attendance.config.settings import Settings

logger = logging.getLogger(__name__)

_PREFIXES = ("AUDIT_", "DATABASE_", "DEDUPE_", "NOTICE_", "OUTBOX_", "RATE_", "TELEGRAM_")
_FAMILY = "NOTICE_TEMPLATE_"  # `notifications.texts` refuses what is no event
_OTHERS = {"DATABASE_USER", "TELEGRAM_API_HASH"}
"""Variables of other programs that look like ours."""

_ALIKE = 0.85
"""How alike two names must be, from 0 to 1 by difflib's measure."""

_NAMES = {name.upper() for name in Settings.__dataclass_fields__}
_SECRETS = {name for name, kind in get_type_hints(Settings).items() if kind == Secret | None}
_KNOWN = _NAMES | {f"{name.upper()}_FILE" for name in (*_SECRETS, "database_url")}


def did_you_mean(environ: Mapping[str, str]) -> dict[str, str]:
    """Return each variable of `environ` that looks like a setting which is not set, with that
    setting."""
    given = {name.removesuffix("_FILE") for name in _KNOWN if environ.get(name, "").strip()}
    looks = {name: _meant_by(name) for name in sorted(environ)}
    return {
        name: meant
        for name, meant in looks.items()
        if meant and meant.removesuffix("_FILE") not in given
    }


def warn(environ: Mapping[str, str]) -> None:
    """Log a line for each, which never shows its value."""
    for name, meant in did_you_mean(environ).items():
        logger.warning("%s is no setting: write %s, or unset it.", name, meant)


def _meant_by(name: str) -> str | None:
    if name in _KNOWN | _OTHERS or not name.startswith(_PREFIXES) or name.startswith(_FAMILY):
        return None
    if (plain := name.removesuffix("_FILE")) in _NAMES:
        return plain  # a setting that has no `_FILE` twin
    return next(iter(get_close_matches(name, _KNOWN, 1, _ALIKE)), None)
