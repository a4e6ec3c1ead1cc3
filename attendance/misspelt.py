"""Variables that look like settings and are none: what was meant by them would be missed unseen."""

import logging
from collections.abc import Mapping
from difflib import get_close_matches

from attendance.config import Settings

logger = logging.getLogger(__name__)

_PREFIXES = ("AUDIT_", "DATABASE_", "DEDUPE_", "NOTICE_", "OUTBOX_", "TELEGRAM_")
_FAMILY = "NOTICE_TEMPLATE_"  # `notices.Notices` refuses what is no event
_ALIKE = 0.85
"""By difflib's measure. Others have variables that begin so, too: TELEGRAM_API_ID is no misspelt
TELEGRAM_API_BASE."""

_NAMES = {name.upper() for name in Settings.__dataclass_fields__}
_KNOWN = _NAMES | {f"{name}_FILE" for name in _NAMES}


def misspelt(environ: Mapping[str, str]) -> dict[str, str]:
    """Each variable of `environ` that looks like a setting which is not set, and that setting."""
    looks = {name: _meant_by(name) for name in sorted(environ)}
    return {name: meant for name, meant in looks.items() if meant and meant not in environ}


def warn(environ: Mapping[str, str]) -> None:
    """A line of the log for each, which never shows its value."""
    for name, meant in misspelt(environ).items():
        logger.warning("%s is no setting: write %s, or unset it.", name, meant)


def _meant_by(name: str) -> str | None:
    if name in _KNOWN or not name.startswith(_PREFIXES) or name.startswith(_FAMILY):
        return None
    return next(iter(get_close_matches(name, _KNOWN, 1, _ALIKE)), None)
