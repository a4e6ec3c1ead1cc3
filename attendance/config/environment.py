"""Read variables of the environment, and say in one sentence what is wrong with one.

Standard library only.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from attendance.config.secrets import Secret, redact

T = TypeVar("T")


class ConfigError(Exception):
    """A setting is wrong; the message names the variable and the remedy."""


class Environment:
    """Read a variable, or the file that its `_FILE` twin names, and parse it.

    An empty variable counts as unset. A parser's ValueError completes a sentence that begins with
    the variable's name, and becomes a ConfigError.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def __call__(self, name: str, default: str, parse: Callable[[str], T]) -> T:
        return _parsed(name, self._text(name) or default, parse)

    def optional(self, name: str, parse: Callable[[str], T]) -> T | None:
        text = self._text(name)
        return _parsed(name, text, parse) if text else None

    def family(self, name: str) -> dict[str, str]:
        """Return the texts of `name` and of every `name_…` that is set, by variable."""
        members = (one for one in self._environ if one == name or one.startswith(f"{name}_"))
        return {member: text for member in sorted(members) if (text := self._text(member))}

    def or_file(self, name: str, default: str, parse: Callable[[str], T]) -> T:
        """Read as by a call, but also from a `_FILE` twin: the value may hold a secret."""
        return _parsed(name, self._secret_text(name) or default, parse)

    def secret(self, name: str, check: Callable[[str], str]) -> Secret | None:
        text = self._secret_text(name)
        return Secret(_parsed(name, text, check)) if text else None

    def _text(self, name: str) -> str:
        return self._environ.get(name, "").strip()

    def _secret_text(self, name: str) -> str:
        text, path = self._text(name), self._text(f"{name}_FILE")
        if text and path:
            raise ConfigError(f"{name} and {name}_FILE are both set: keep one of them.")
        if not path:
            return text
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise ConfigError(
                f"{name}_FILE names {path}, which cannot be read ({reason}): correct the path, or "
                "let this user read the file."
            ) from None


def _parsed(name: str, text: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(text)
    except ValueError as error:
        # The message may show the value, and a token is easily pasted into the wrong variable.
        raise ConfigError(redact(f"{name} {error}")) from None
