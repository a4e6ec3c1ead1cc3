"""Command lines as pages show them, checked against click: the command and its options exist."""

import re
from collections.abc import Iterator

import click

from attendance.cli import main

PROGRAMS = ("manage.py", "attendance")
_EVERYWHERE = {"--help", "-h", "--version"}


class NoSuchCommand(AssertionError):
    """A page shows a command or an option that there is not."""


def commands(group: click.Group = main, *above: str) -> Iterator[tuple[str, click.Command]]:
    """Each command that people see, by its words: `outbox retry`."""
    for name, command in group.commands.items():
        words = (*above, name)
        if isinstance(command, click.Group):
            yield from commands(command, *words)
        elif not command.hidden:
            yield " ".join(words), command


COMMANDS = dict(commands())


def options_of(name: str) -> set[str]:
    """The options of a command, but for --json, which all that list have."""
    return {flag for flag in _flags(name) if flag.startswith("--")} - {"--json"}


def _flags(name: str) -> set[str]:
    return {flag for one in COMMANDS[name].params for flag in (*one.opts, *one.secondary_opts)}


def named(text: str) -> str | None:
    """The command at the beginning of `text`, which may have a program before it; None where there
    is none."""
    words = words_of(text)
    for length in (2, 1):
        if (name := " ".join(words[:length])) in COMMANDS:
            return name
    return None


def check(text: str) -> str:
    """The command that `text` names. Raises NoSuchCommand, also for an option of no such name."""
    name = named(text)
    if name is None:
        raise NoSuchCommand(f"{text!r} names no command")
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
    if unknown := used - _flags(name) - _EVERYWHERE:
        raise NoSuchCommand(f"{name!r} has no {', '.join(sorted(unknown))}: {text!r}")
    return name


def is_ours(text: str) -> bool:
    """Whether `text` begins with our program, by whatever path."""
    words = re.sub(r"^(?:[A-Z_]+=\S+ +)*", "", text).split()
    return _is_program(words[1 if _is_python(words[0]) and words[1:] else 0])


def _is_program(word: str) -> bool:
    return word.rsplit("/", 1)[-1] in PROGRAMS


def _is_python(word: str) -> bool:
    return word.rsplit("/", 1)[-1] in {"python", "python3"}


def words_of(text: str) -> list[str]:
    """The words of a command line behind its program, variables and brackets left away."""
    words = text.replace("[", " ").replace("]", " ").split()
    while words and (
        _is_program(words[0]) or _is_python(words[0]) or re.fullmatch(r"[A-Z_]+=\S+", words[0])
    ):
        words = words[1:]
    return words
