"""What a page says to type works as typed, and answers what the page shows."""

import re
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing

import pytest
import requests
from classes import class_of
from likeness import is_like
from pages import Block, Page, page, pages
from postgres_server import PostgresServer
from stage import Answer, Stage, lines_of, post, wait_until

pytestmark = pytest.mark.slow

SERVES = "serve --sandbox"
FAILED = 17
"""The number of the message that failed, on the pages that show what to do about it."""

SANDBOX = "docs/sandbox.md"
NEEDS_A_SERVICE = re.compile(r"\bcurl |manage\.py |attendance doctor")
A_RECORD = """
    INSERT INTO attendance (person_id, event, occurred_at, received_at, timezone, local_date,
        key_lineage, key_id, request_id)
    VALUES ('ada', 'check_in', '2026-11-23T09:00:00.000000Z', '2026-11-23T09:00:00.000000Z', 'UTC',
        '2026-11-23', 1, 1, 'a-request')
"""
ENGINES = "-1001234567890"
TYPED = [one for one in pages() if any(class_of(block) == "run" for block in one.blocks)]


def _run_blocks(of: Page) -> list[Block]:
    return [one for one in of.blocks if class_of(one) == "run" and SERVES not in one.text]


def _settings(stage: Stage) -> dict[str, str]:
    """What docs/sandbox.md says to export, so that commands find the sandbox."""
    (block,) = [one for one in page(SANDBOX).blocks if "TELEGRAM_API_BASE" in one.text]
    found = dict(re.findall(r"(TELEGRAM_\w+)=(\S+)", block.text))
    return {**found, "TELEGRAM_API_BASE": stage.sandbox or found["TELEGRAM_API_BASE"]}


def _alias() -> list[str]:
    (block,) = page("docs/README.md").blocks
    return [line for line, _ in lines_of(block)]


def _failed_message(stage: Stage) -> None:
    """A chat that refuses us, and a message to it, of the number that the pages show."""
    path = stage.clone / "attendance.db"
    post(f"{stage.sandbox}/sandbox/chats", {"chat_id": 1000, "status": "blocked"})
    with closing(sqlite3.connect(path)) as stranger, stranger:
        stranger.execute("DELETE FROM sqlite_sequence WHERE name = 'outbox'")
        stranger.execute("INSERT INTO sqlite_sequence VALUES ('outbox', ?)", (FAILED - 1,))
    post(f"{stage.service}/attendance", {"person_id": "eve", "event": "late"}, stage.key())

    def failed() -> bool:
        with closing(sqlite3.connect(path)) as auditor:
            row = auditor.execute("SELECT status FROM outbox WHERE id = ?", (FAILED,)).fetchone()
        return bool(row == ("failed",))

    wait_until(failed)


def _spoken_in_a_topic(stage: Stage) -> None:
    chat = {"chat_id": ENGINES, "title": "Engines", "status": "ok"}
    post(f"{stage.sandbox}/sandbox/chats", chat)
    post(f"{stage.sandbox}/sandbox/updates", {"chat_id": ENGINES, "message_thread_id": 5})


def _recorded(stage: Stage) -> None:
    post(f"{stage.service}/attendance", {"person_id": "eve", "event": "late"}, stage.key())


def _files_of_the_operator(stage: Stage) -> None:
    (env,) = [one for one in page("docs/operator.md").blocks if one.language == "env"]
    mine = {**_settings(stage), "DATABASE_URL": f"sqlite:///{stage.clone}/attendance.db"}
    named = re.findall(r"^([A-Z_]+)=", env.text, re.MULTILINE)
    lines = [f"{name}={mine[name]}\n" for name in [*named, "TELEGRAM_API_BASE"]]
    (stage.clone / "attendance.env").write_text("".join(lines))


BEFORE: dict[str, tuple[Callable[[Stage], None], ...]] = {
    "README.md": (_failed_message,),
    "docs/admin.md": (_failed_message, _spoken_in_a_topic),
    "docs/operator.md": (_recorded, _files_of_the_operator),
}


def _typed(stage: Stage, of: Page) -> list[tuple[Answer, str | None]]:
    """Each line of the page with what the page shows of its answer."""
    lines = [pair for block in _run_blocks(of) for pair in lines_of(block)]
    before = _alias()
    typed = [*before, *(line for line, _ in lines)]
    answers = stage.type(typed, KEY=stage.key(), **_settings(stage))[len(before) :]
    return [(answer, shown) for answer, (_, shown) in zip(answers, lines, strict=True)]


@pytest.mark.parametrize("of", TYPED, ids=lambda of: of.name)
def test_each_line_works_and_answers_what_is_shown(
    make_stage: Callable[[], Stage], of: Page
) -> None:
    stage = make_stage()
    starting = [block for block in of.blocks if SERVES in block.text]
    for block in starting:
        _start_as_shown(stage, of, block)
    if not starting:
        stage.install()
        if any(NEEDS_A_SERVICE.search(block.text) for block in _run_blocks(of)):
            stage.start(f".venv/bin/python manage.py {SERVES}", WEB_CONCURRENCY="1")
    for prepare in BEFORE.get(of.name, ()):
        prepare(stage)

    for answer, shown in _typed(stage, of):
        assert answer.code == 0, answer
        assert shown is None or is_like(answer.output, shown), (answer.output, shown)


def _start_as_shown(stage: Stage, of: Page, start: Block) -> None:
    """Install and start by the page's line, and send the request that it prints."""
    (answer,) = [one for one in of.blocks if class_of(one) == "answer"]
    stage.start(start.text)
    request = stage.welcome[stage.welcome.index("curl -i") :]
    done = subprocess.run(
        ["bash", "-c", request], capture_output=True, text=True, check=True, timeout=30
    )

    assert stage.played() == ["venv .venv", "pip install -qc constraints.txt -e .[test]"]
    head, _, body = done.stdout.replace("\r", "").partition("\n\n")
    shown_head, _, shown_body = answer.text.partition("\n\n")
    for line in shown_head.splitlines():
        assert any(is_like(one, line) for one in head.splitlines()), (line, head)
    assert is_like(body, shown_body)
    messages = f"{stage.sandbox}/sandbox/messages"
    wait_until(lambda: "checked in" in requests.get(messages, timeout=5).text)


def test_the_pages_that_begin_at_nothing_are_these() -> None:
    starting = [one.name for one in TYPED if any(SERVES in block.text for block in one.blocks)]

    assert starting == ["README.md", "docs/quickstart.md"]


def test_the_readme_s_two_commands_are_what_people_know_by_heart() -> None:
    blocks = [one.text for one in page("README.md").blocks if one.language == "sh"]

    install = ".venv/bin/pip install -qc constraints.txt -e '.[test]'"
    serve = ".venv/bin/python manage.py serve --sandbox"
    assert blocks == [f"python3 -m venv .venv && {install} && {serve}\n", ".venv/bin/pytest\n"]


def test_the_move_is_told_as_shown(stage: Stage, postgres: PostgresServer) -> None:
    (block,) = [one for one in page("docs/postgresql.md").blocks if class_of(one) == "postgres"]
    ((line, shown),) = lines_of(block)
    assert shown is not None
    assert "attendance on db.example" in shown
    with postgres.fresh() as url:
        stage.machine("/etc/attendance/postgresql.url").write_text(url)
        stage.type(["manage.py db upgrade"])
        with closing(sqlite3.connect(stage.clone / "attendance.db")) as stranger, stranger:
            stranger.execute(A_RECORD)
        (moved,) = stage.type([line])

    assert moved.code == 0, moved
    assert is_like(moved.output, shown.replace("attendance on db.example", "…"))


@pytest.mark.parametrize(
    ("answer", "shown", "alike"),
    [
        ("17 failed 2026-11-23T08:00:03.112095Z\n", "4  failed   2026-12-01T09:00:03Z", True),
        ('{"id":1,"a":2,"b":3}', '{"id":7, …,\n "b":3}', True),
        ("The chat 1000 is parked.", "The chat 1000 is resumed.", False),
        ("one\ntwo", "one", False),
        ("1,204 rows", "9 rows", True),
    ],
)
def test_an_answer_is_compared_by_its_words(answer: str, shown: str, *, alike: bool) -> None:
    assert is_like(answer, shown) is alike


@pytest.mark.parametrize("program", ["manage.py", ".venv/bin/attendance"])
def test_a_line_that_fails_is_found(stage: Stage, program: str) -> None:
    made, answer = stage.type(["manage.py db upgrade", f"{program} outbox show 4711"])

    assert (made.code, answer.code) == (0, 1)
    assert "no message 4711" in answer.output


def test_the_short_name_of_the_command_is_one(stage: Stage) -> None:
    *_, answer = stage.type([*_alias(), "manage.py --version; true"])

    assert answer.output.startswith("manage.py ")
