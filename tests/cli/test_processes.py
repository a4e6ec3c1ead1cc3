"""`sandbox` and `dispatch`: started as a person would, stopped as a supervisor would."""

import signal
import subprocess
from typing import IO

import pytest
import requests
from commands import TOKEN, Desk

from attendance.sandbox import Sandbox

pytestmark = pytest.mark.slow

pytestmark = pytest.mark.slow


def _read_until(stream: "IO[str] | None", text: str) -> str:
    """What the process says, up to the line that has `text`."""
    assert stream is not None
    said = ""
    for line in stream:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{text!r} was never said: {said}")


def _environment(telegram: Sandbox) -> dict[str, str]:
    return {
        "TELEGRAM_API_BASE": telegram.url,
        "TELEGRAM_BOT_TOKEN": telegram.token,
        "TELEGRAM_CHAT_ID": "1000",
        "LOG_FORMAT": "json",
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_sandbox_tells_how_to_send_to_it_and_stops_at_a_signal(
    desk: Desk, number: signal.Signals
) -> None:
    with desk.running("sandbox", "--port", "0") as sandbox:
        said = _read_until(sandbox.stdout, "TELEGRAM_CHAT_ID")
        page = said.splitlines()[0].split()[1]
        settings = dict(
            line.split(maxsplit=1)[1].split("=", 1)
            for line in said.splitlines()
            if line.strip().startswith("export ")
        )
        assert requests.get(page, timeout=5).status_code == 200
        address = f"{settings['TELEGRAM_API_BASE']}/bot{settings['TELEGRAM_BOT_TOKEN']}/getMe"
        assert requests.get(address, timeout=5).json()["ok"] is True
        sandbox.send_signal(number)
        _, errors = sandbox.communicate(timeout=10)

    assert (sandbox.returncode, errors) == (0, "")


def test_a_port_that_is_taken_is_refused_in_a_sentence(desk: Desk) -> None:
    with Sandbox(0) as taken:
        result = desk.process("sandbox", "--port", str(taken.port))

    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: The sandbox cannot listen on port {taken.port}")
    assert "--port" in result.stderr


def test_dispatch_delivers_what_waits_and_stops_at_sigterm(desk: Desk) -> None:
    message_id = desk.message(chat="1000")
    with Sandbox(0) as telegram:
        with desk.running("dispatch", **_environment(telegram)) as dispatcher:
            _read_until(dispatcher.stderr, "Delivering")
            (arrived,) = telegram.wait_for(1)
            dispatcher.send_signal(signal.SIGTERM)
            output, errors = dispatcher.communicate(timeout=20)
        assert "a text" in arrived.text
        assert telegram.token not in output + errors

    assert dispatcher.returncode == 0
    assert "Traceback" not in errors
    assert desk.statuses()[message_id] == "sent"
    assert not list(desk.directory.glob("*.dispatcher-*"))


def test_dispatch_warns_of_a_misspelt_setting(desk: Desk) -> None:
    with Sandbox(0) as telegram:
        environment = _environment(telegram) | {"OUTBOX_POL_SECONDS": "0.2"}
        with desk.running("dispatch", **environment) as dispatcher:
            said = _read_until(dispatcher.stderr, "Delivering")

    assert "OUTBOX_POL_SECONDS is no setting: write OUTBOX_POLL_SECONDS, or unset it." in said


def test_dispatch_without_telegram_says_what_is_missing(desk: Desk) -> None:
    result = desk.process("dispatch")

    assert result.returncode == 1
    assert "TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID are not both set" in result.stderr
    assert "Traceback" not in result.stderr


def test_dispatch_with_a_wrong_token_ends_without_printing_it(desk: Desk) -> None:
    result = desk.process("dispatch", TELEGRAM_BOT_TOKEN=f"{TOKEN} x", TELEGRAM_CHAT_ID="1000")

    assert result.returncode == 1
    assert result.stderr.startswith("Error: TELEGRAM_BOT_TOKEN is not a bot token")
    assert TOKEN not in result.stderr


def test_without_the_environment_it_says_where_that_is(desk: Desk) -> None:
    python, *arguments = desk.command("--version")
    result = subprocess.run(
        [python, "-S", *arguments],  # without site-packages
        cwd=desk.directory,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: click is not installed for ")
    assert "`.venv/bin/python manage.py`" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_version_is_told(desk: Desk) -> None:
    result = desk.process("--version")

    assert result.returncode == 0
    assert result.stdout.startswith("manage.py ")
