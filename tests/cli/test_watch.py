"""`manage.py outbox watch`: once for a pipe, and again and again for a terminal."""

import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from commands import Desk

from attendance.cli.outbox.watch import lines_of
from attendance.config import RateSetting
from attendance.db import format_utc, utc_now
from attendance.outbox.queries import Overview, overview


def _lines(desk: Desk) -> list[str]:
    return desk.done("outbox", "watch").splitlines()


def _held(desk: Desk, column: str, **others: str) -> None:
    """Set a time of the chat 1000 to a minute from now, and other columns beside it."""
    later = format_utc(utc_now() + timedelta(minutes=1))
    columns = ", ".join(f"{name} = ?" for name in (column, *others))
    desk.execute(f"UPDATE chat SET {columns} WHERE chat_id = '1000'", later, *others.values())  # noqa: S608


def test_without_a_terminal_it_is_shown_once(desk: Desk) -> None:
    desk.message(chat="1000")
    desk.message("failed", chat="2000")

    when, counts, rates, limits, *_ = _lines(desk)

    assert when.startswith("Outbox at 20")
    assert counts == "pending 1 · sending 0 · failed 1 · uncertain 0 · cancelled 0"
    assert rates.startswith("0 sent in the last minute · oldest due for ")
    assert limits == "limits: overall 30/1s · chat 1/1s · group 20/60s"


def test_an_empty_outbox_is_shown_too(desk: Desk) -> None:
    assert "nothing is due" in desk.done("outbox", "watch", OUTBOX_RATE_CHAT="off")


def test_chats_that_need_a_look_are_listed_and_the_others_counted(desk: Desk) -> None:
    desk.message("sent", chat="2000")
    desk.message(chat="1000")
    for _ in range(2):
        desk.message(chat="3000")

    *_, headings, first, second, rest = _lines(desk)

    assert headings.split() == ["CHAT", "TITLE", "WAITING", "STATE"]
    assert first.split() == ["3000", "-", "2", "open"]
    assert second.split() == ["1000", "-", "1", "open"]
    assert rest == "1 more chats are open, and nothing waits for them"


@pytest.mark.slow
def test_it_says_why_each_chat_is_held(desk: Desk) -> None:
    desk.message(chat="1000")

    _held(desk, "next_at")
    assert "held 60 s by its rate" in desk.done("outbox", "watch")
    _held(desk, "hold_until", hold_reason="429 Too Many Requests")
    assert "told to wait 60 s: 429 Too Many Requests" in desk.done("outbox", "watch")
    desk.done("chats", "pause", "--reason", "holidays", "1000")
    assert "paused: holidays" in desk.done("outbox", "watch")
    _held(desk, "probe_at", park_reason="403 Forbidden")
    assert "refuses us: 403 Forbidden" in desk.done("outbox", "watch")
    desk.execute("UPDATE chat SET migrated_to = '-100200'")
    assert "moved to -100200" in desk.done("outbox", "watch")


def test_a_bot_that_is_stopped_is_told_first(desk: Desk) -> None:
    desk.execute(
        "INSERT INTO outbox_stoppage (reason, error, started_at) VALUES (?, ?, ?)",
        *("misconfigured", "401 Unauthorized", format_utc(utc_now())),
    )

    assert "Nothing goes out, the bot is misconfigured: 401 Unauthorized" in _lines(desk)


@pytest.mark.slow
def test_what_was_sent_in_the_last_minute_is_counted(desk: Desk) -> None:
    now = utc_now()
    for seconds, outcome in ((5, "delivered"), (59, "delivered"), (61, "delivered"), (1, "retry")):
        ended = format_utc(now - timedelta(seconds=seconds))
        desk.execute(
            "INSERT INTO outbox_attempt (outbox_id, number, token, claimed_by, started_at, "
            "ended_at, outcome) VALUES (?, 1, 't', 'h', ?, ?, ?)",
            *(desk.message("sent"), ended, ended, outcome),
        )

    with desk.database() as database, database.snapshot() as connection:
        assert overview(connection, now).sent_last_minute == 2


def test_what_does_not_fit_on_the_screen_is_counted() -> None:
    chats = [
        {"chat_id": str(n), "title": "a\x1b[2J", "waiting": n, "state": "open"} for n in (1, 2, 3)
    ]
    lines = lines_of(Overview({}, 0, None, None, chats), {"chat": RateSetting(1, 1)}, most_chats=2)

    assert [line.split()[0] for line in lines[-4:] if line] == ["3", "2", "…"]
    assert all(line.isprintable() for line in lines)


@contextmanager
def _watching(desk: Desk) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """The command on a terminal of its own, and our end of that."""
    ours, theirs = pty.openpty()
    # What a shell runs in the background ignores Ctrl-C, and so does all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        desk.command("outbox", "watch"),
        cwd=desk.directory,
        env=desk.environment(TERM="xterm"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait(10)
        os.close(ours)
        os.close(theirs)


def _read_until(end: int, wanted: str, seconds: float = 20.0) -> str:
    read, ends = "", time.monotonic() + seconds
    while wanted not in read:
        assert time.monotonic() < ends, read
        if select.select([end], [], [], 0.1)[0]:
            read += os.read(end, 65536).decode()
    return read


@pytest.mark.slow
@pytest.mark.parametrize("way", ["q", "Ctrl-C"])
def test_on_a_terminal_it_follows_what_happens_until_it_is_told_to_end(
    desk: Desk, way: str
) -> None:
    with _watching(desk) as (process, end):
        before = termios.tcgetattr(end)
        _read_until(end, "pending 0")
        desk.message(chat="1000")
        _read_until(end, "pending 1")

        if way == "q":
            os.write(end, b"xq")
        else:
            process.send_signal(signal.SIGINT)

        _read_until(end, "\x1b[?25h\x1b[?1049l")
        assert process.wait(10) == 0
        assert termios.tcgetattr(end) == before
