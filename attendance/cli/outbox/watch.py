"""`manage.py outbox watch`: what waits and what holds it up, as it changes."""

import os
import select
import shutil
import sys
import termios
import tty
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from attendance.cli.context import load_settings, opened_database
from attendance.cli.options import examples
from attendance.cli.output import aligned, steering
from attendance.config import RateSetting, Settings
from attendance.db import Database
from attendance.outbox.queries import Overview, overview
from attendance.telegram.markdown.text import printable

_EVERY_SECONDS = 1.0
_SCREEN_OF_ITS_OWN, _SCREEN_BEFORE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
_LINES_AROUND_CHATS = 10
_HEADINGS = ("CHAT", "TITLE", "WAITING", "STATE")


@examples("outbox watch")
@click.command()
def watch() -> None:
    """Show what waits, how fast it goes out, and what holds each chat up, every second.

    Ends with q or Ctrl-C. Where it does not write to a terminal, it shows that once.
    """
    settings = load_settings()
    with opened_database() as database:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            click.echo("\n".join(_picture(database, settings, height=None)))
            return
        with _terminal():
            _show(database, settings)
            while not _is_quit_within(_EVERY_SECONDS):
                _show(database, settings)


def lines_of(
    seen: Overview, rates: Mapping[str, RateSetting | None], most_chats: int | None = None
) -> list[str]:
    """Return what there is to see, line by line, with the chats that need a look first."""
    oldest = seen.oldest_due_age_seconds
    age = "nothing is due" if oldest is None else f"oldest due for {oldest:.0f} s"
    rate = " · ".join(f"{name} {rate or 'off'}" for name, rate in rates.items())
    return [
        " · ".join(f"{status} {count}" for status, count in seen.counts.items()),
        f"{seen.sent_last_minute} sent in the last minute · {age}",
        f"limits: {rate}",
        *([f"Nothing goes out, the bot is {printable(seen.stopped)}"] if seen.stopped else []),
        "",
        *_chats(seen.chats, most_chats),
    ]


def _picture(database: Database, settings: Settings, height: int | None) -> list[str]:
    now = database.clock()
    with database.snapshot() as connection:
        seen = overview(connection, now)
    rates = {
        "overall": settings.outbox_rate_overall,
        "chat": settings.outbox_rate_chat,
        "group": settings.outbox_rate_group,
    }
    most = None if height is None else max(1, height - _LINES_AROUND_CHATS)
    end = [] if height is None else ["", "q ends"]
    return [f"Outbox at {now:%Y-%m-%d %H:%M:%S} UTC", *lines_of(seen, rates, most), *end]


def _chats(chats: Sequence[Mapping[str, Any]], most: int | None) -> list[str]:
    busy = [chat for chat in chats if chat["waiting"] or chat["state"] != "open"]
    busy.sort(key=lambda chat: -chat["waiting"])
    shown = busy[:most]
    rows = [
        [chat["chat_id"], chat["title"] or "-", str(chat["waiting"]), chat["state"]]
        for chat in shown
    ]
    lines = [printable(line) for line in aligned([_HEADINGS, *rows])] if rows else []
    left, idle = len(busy) - len(shown), len(chats) - len(busy)
    if left:
        lines.append(f"… and {left} more")
    return [*lines, f"{idle} more chats are open, and nothing waits for them" if idle else ""]


def _show(database: Database, settings: Settings) -> None:
    columns, height = shutil.get_terminal_size()
    lines = [line[:columns] for line in _picture(database, settings, height)]
    text = f"{_REST_OF_LINE}\n".join(lines[:height])
    steering(sys.stdout).write(f"{_HOME}{text}{_REST_OF_SCREEN}")
    sys.stdout.flush()


@contextmanager
def _terminal() -> Iterator[None]:
    """Show a screen of its own and read keys as they are pressed; then restore the terminal."""
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    steering(sys.stdout).write(_SCREEN_OF_ITS_OWN)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        steering(sys.stdout).write(_SCREEN_BEFORE)
        sys.stdout.flush()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _is_quit_within(seconds: float) -> bool:
    """Wait for keys; return whether q is among them, or nobody is there any more."""
    keyboard = sys.stdin.fileno()
    if not select.select([keyboard], [], [], seconds)[0]:
        return False
    pressed = os.read(keyboard, 1024)
    return not pressed or b"q" in pressed.lower()
