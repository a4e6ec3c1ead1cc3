"""Whatever fails, the token appears in no outcome, no log record and no output."""

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
import requests
from raw_server import (
    CERTIFICATE,
    DELIVERED,
    FAULTS,
    Peer,
    RawServer,
    answering,
    malformed_header,
    reply,
    reset_after_the_request,
    silence,
)

from attendance.config.secrets import Secret
from attendance.outbox.transport import Delivered, Outcome, Outgoing
from attendance.telegram.client import TelegramClient
from attendance.telegram.errors import not_sent

TOKEN = "7654321:AAE-only-for-tests_0123456789abcdef"
FORMS = (TOKEN, quote(TOKEN, safe=""), TOKEN.replace(":", "%3a"), TOKEN.partition(":")[2])
CLOSED = "127.0.0.1:1"


def leaks(text: str) -> bool:
    return any(form in text for form in FORMS)


class Collector(logging.Handler):
    """Keeps every record as a formatter shows it, traceback included, and all that it carries."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(logging.Formatter().format(record) + repr(vars(record)))


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    root, collector = logging.getLogger(), Collector()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(collector)
    yield collector.texts
    root.removeHandler(collector)
    root.setLevel(level)


def send_to(api_base: str, seconds: float = 0.3) -> Outcome:
    client = TelegramClient(token=Secret(TOKEN), api_base=api_base, connect_seconds=seconds)
    try:
        return client.send(Outgoing(17, "5", "x"), seconds)
    finally:
        client.close()


def url_of(api_base: str) -> str:
    return f"{api_base}/bot{TOKEN}/sendMessage"


def check(outcome: Outcome, logged: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    output = capfd.readouterr()
    said = [repr(outcome), str(outcome), *logged, output.out, output.err]
    assert [text for text in said if leaks(text)] == []


@pytest.mark.parametrize(
    ("talk", "tls"),
    [*((talk, False) for talk in FAULTS), (silence, True), (reset_after_the_request, True)],
)
def test_a_fault_after_the_request_shows_no_token(
    talk: Callable[[Peer], None], logged: list[str], capfd: pytest.CaptureFixture[str], *, tls: bool
) -> None:
    with RawServer(talk, tls=tls) as server:
        outcome = send_to(server.url)
    assert not isinstance(outcome, Delivered)
    check(outcome, logged, capfd)


@pytest.mark.parametrize(
    "api_base",
    [
        f"http://{CLOSED}",
        f"https://{CLOSED}",
        "",
        "no scheme",
        "htp://api.example",
        "http://",
        "http://[::1",
        "http://a\nb",
        "http://" + "a" * 300,
    ],
)
def test_a_connection_that_never_was_shows_no_token(
    api_base: str, logged: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = send_to(api_base)
    assert not isinstance(outcome, Delivered)
    check(outcome, logged, capfd)


def test_a_failed_handshake_shows_no_token(
    logged: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with RawServer(silence) as server:
        outcome = send_to(server.url.replace("http:", "https:"))
    check(outcome, logged, capfd)


def test_a_failing_proxy_shows_no_token(
    logged: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = reply(url_of("").encode(), f"407 No {url_of('')}")
    with RawServer(answering(refusal)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        for scheme in ("http", "https"):
            check(send_to(f"{scheme}://api.example"), logged, capfd)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("status", ["200 OK", "302 Found", "400 Bad Request", "404 Not Found"])
def test_an_answer_that_repeats_the_address_shows_no_token(
    status: str, form: str, logged: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    body = {"ok": False, "error_code": 400, "description": f"no such path: /bot{form}/x"}
    answer = reply(json.dumps(body).encode(), status, f"Location: /bot{form}/y".encode())
    with RawServer(answering(answer)) as server:
        check(send_to(server.url), logged, capfd)


def test_a_token_with_a_newline_is_not_shown(
    logged: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with RawServer(answering(DELIVERED)) as server:
        client = TelegramClient(token=Secret(TOKEN + "\n"), api_base=server.url, connect_seconds=1)
        check(client.send(Outgoing(17, "5", "x"), 5), logged, capfd)
        client.close()


def test_log_lines_survive_without_the_token(logged: list[str]) -> None:
    with RawServer(answering(DELIVERED)) as server:
        assert send_to(server.url, 20) == Delivered(42)
    assert any("/bot[secret]/sendMessage" in text for text in logged)


def test_the_reason_of_a_failed_connection_shows_no_token() -> None:
    reason = not_sent(OSError(5, f"cannot reach {url_of('http://a')}"))
    assert not leaks(str(reason) + repr(reason))


def test_a_client_does_not_print_its_token() -> None:
    client = TelegramClient(token=Secret(TOKEN), api_base="http://a", connect_seconds=1)
    assert not leaks(repr(client) + repr(vars(client)))


def test_every_logger_of_urllib3_that_may_name_an_address_is_covered() -> None:
    TelegramClient(token=Secret(TOKEN), api_base="http://a", connect_seconds=1)
    modules = {name for name, module in sys.modules.items() if hasattr(module, "log")}
    names = {name for name in modules if re.match(r"urllib3\.(?!contrib)", name)}
    assert len(names) >= 4
    assert {name for name in names if not logging.getLogger(name).filters} == set()


class TestControls:
    """The collector would see what the client hides."""

    @pytest.fixture
    def unfiltered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in list(logging.Logger.manager.loggerDict):
            if name.startswith("urllib3"):
                monkeypatch.setattr(logging.getLogger(name), "filters", [])

    @pytest.mark.usefixtures("unfiltered")
    def test_log_lines_hold_the_token(self, logged: list[str]) -> None:
        with RawServer(answering(DELIVERED)) as server:
            requests.post(url_of(server.url), timeout=5)
        assert any(map(leaks, logged))

    @pytest.mark.usefixtures("unfiltered")
    def test_a_warning_holds_the_token(self, logged: list[str]) -> None:
        with RawServer(malformed_header) as server:
            requests.post(url_of(server.url), timeout=5)
        assert any(leaks(text) for text in logged if "Failed to parse headers" in text)

    def test_an_exception_holds_the_token(self) -> None:
        with pytest.raises(requests.ConnectionError) as caught:
            requests.post(url_of(f"http://{CLOSED}"), timeout=5)
        assert leaks(str(caught.value))

    def test_an_invalid_address_holds_the_token(self) -> None:
        with pytest.raises(requests.exceptions.InvalidSchema) as caught:
            requests.post(url_of("htp://api.example"), timeout=5)
        assert leaks(str(caught.value))
