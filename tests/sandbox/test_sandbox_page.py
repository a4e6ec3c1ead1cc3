"""The page shows the chats as people would see them, and never loses their place."""

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import requests

from attendance.sandbox import Sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

CHROMIUM = "/usr/bin/chromium"
REMEDY = "needs Chromium and Playwright: apt install chromium, and pip install -e '.[e2e]'"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def send(sandbox: Sandbox, chat_id: int | str, text: str) -> None:
    message = {"chat_id": chat_id, "text": text, "parse_mode": "MarkdownV2"}
    url = f"{sandbox.url}/bot{sandbox.token}/sendMessage"
    requests.post(url, json=message, timeout=10)


def test_every_file_of_the_page_is_served_under_a_strict_policy(sandbox: Sandbox) -> None:
    page = requests.get(sandbox.url, timeout=10)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for name in ("page.css", "page.js", "text.js", "words.js", "icon.svg"):
        file = requests.get(f"{sandbox.url}/sandbox/{name}", timeout=10)
        assert file.status_code == 200, name
        assert len(file.text) > 400, name
    assert "<script>" not in page.text
    assert "style=" not in page.text


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    playwright = pytest.importorskip("playwright.sync_api", reason=REMEDY)
    if shutil.which(CHROMIUM) is None:
        pytest.skip(REMEDY)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield running
        running.close()


@pytest.fixture
def page(browser: "Browser", sandbox: Sandbox) -> Iterator["Page"]:
    """The page in a phone's width; an error in the console fails the test."""
    context = browser.new_context(viewport={"width": 375, "height": 700})
    opened = context.new_page()
    opened.set_default_timeout(5_000)
    errors: list[str] = []
    opened.on("console", lambda message: errors.append(f"{message.type}: {message.text}"))
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(sandbox.url)
    yield opened
    context.close()
    assert errors == []


def test_the_empty_page_says_what_to_do(page: "Page", sandbox: Sandbox) -> None:
    page.get_by_text(f"TELEGRAM_API_BASE={sandbox.url}").wait_for()
    assert page.get_by_text("curl").is_visible()


def test_a_message_appears_without_a_reload_formatted_and_escaped(
    page: "Page", sandbox: Sandbox
) -> None:
    page.get_by_text("Nothing has been sent yet").wait_for()
    send(sandbox, 7, "*Ada <b\\>* 😀 _in_ ||secret||\n>quoted `x`")
    page.get_by_role("link", name="Person 7").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    bubble = page.locator(".bubble .text")
    assert bubble.locator("strong").text_content() == "Ada <b>"
    assert bubble.locator("em").text_content() == "in"
    assert bubble.locator("blockquote code").text_content() == "x"
    secret = bubble.get_by_role("button")
    secret.focus()
    page.keyboard.press("Enter")
    assert bubble.locator(".spoiler.shown").text_content() == "secret"
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Person 7").wait_for()


def test_a_new_message_keeps_the_reader_where_he_is(page: "Page", sandbox: Sandbox) -> None:
    for number in range(40):
        send(sandbox, 7, f"message {number}")
    page.get_by_role("link", name="Person 7").click()
    box = page.get_by_role("log")
    box.get_by_text("message 39").wait_for()
    box.evaluate("box => { box.scrollTop = 200 }")
    send(sandbox, 7, "message 40")
    page.get_by_role("button", name="1 new").wait_for()
    assert box.evaluate("box => box.scrollTop") == 200
    page.get_by_role("button", name="1 new").click()
    send(sandbox, 7, "message 41")
    box.get_by_text("message 41").wait_for()
    assert box.evaluate("box => box.scrollHeight - box.scrollTop - box.clientHeight") < 1
    assert page.evaluate("document.documentElement.scrollWidth") == 375


def test_refused_requests_and_a_reset_are_shown(page: "Page", sandbox: Sandbox) -> None:
    sandbox.set_chat(7, "blocked")
    send(sandbox, 7, "x")
    page.get_by_text("Forbidden: bot was blocked by the user").wait_for()
    page.get_by_text("refuses: blocked").wait_for()
    sandbox.reset()
    page.get_by_text("Nothing has been sent yet").wait_for()
