"""What the contributor's door promises: files that exist, commands that run what they say, and the
same linters wherever somebody lints."""

import re
from pathlib import Path

import pytest
from pages import ROOT, Page

CONTRIBUTING = Page.at(ROOT / "CONTRIBUTING.md")
DOOR = [CONTRIBUTING, *(Page.at(ROOT / name) for name in ("SECURITY.md", "CHANGELOG.md"))]
TOP = "|".join(re.escape(path.name) for path in ROOT.iterdir() if path.name != ".venv")
_PATH = re.compile(rf"(?:{TOP})(?:/[\w./-]*)?")
_RUNS = re.compile(
    r"(?:\.ci/venv|\.venv|\$\(BIN\)|)/?(?:bin/)?(ruff check|ruff format|mypy|lint-imports)"
)
_SUBJECT = "A subject of 72 characters, which is as many as a line of git's log show"


def named(page: Page) -> list[str]:
    """The paths that a page has in code or links to, from the top of the tree."""
    return [text for text in [*page.code, *page.links] if _PATH.fullmatch(text)]


def is_there(path: str) -> bool:
    """Whether it exists. Of a file that the reader is to make, `NAME`, its folder does."""
    before, name, _ = path.partition("NAME")
    return (ROOT / (before.rpartition("/")[0] if name else path)).exists()


def targets() -> dict[str, str]:
    """What the Makefile can make, and by which lines."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z]+):.*\n((?:\t.*\n)*)", text, re.MULTILINE))


def hooks() -> str:
    return (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")


def lint_of_ci() -> str:
    found = re.search(
        r"^lint\(\) \{\n(.*?)^\}", (ROOT / ".ci/run").read_text(), re.MULTILINE | re.DOTALL
    )
    assert found is not None
    return found[1]


@pytest.mark.parametrize("page", DOOR, ids=lambda page: page.name)
def test_every_file_that_a_page_of_the_door_names_exists(page: Page) -> None:
    assert [path for path in named(page) if not is_there(path)] == []


def test_it_names_a_file_for_each_step_of_what_one_may_add() -> None:
    for what in ("command", "setting", "endpoint", "page", "background job", "transport"):
        section = CONTRIBUTING.section(f"A {what}" if what != "endpoint" else "An endpoint")
        steps = re.split(r"^\d\. ", section.text, flags=re.MULTILINE)[1:]
        assert steps
        assert [step for step in steps if not re.search("`[^`]*(?:/|[.])[^`]*`", step)] == []


@pytest.mark.parametrize(
    "path", ["attendance/nowhere.py", "attendance/nowhere/NAME.py", "docs/no.md"]
)
def test_control_a_file_that_is_not_there_is_missed(path: str) -> None:
    assert named(Page("page", f"In `{path}`")) == [path]
    assert not is_there(path)


def test_every_make_that_a_page_names_can_be_made() -> None:
    pages = [*DOOR, Page.at(ROOT / "README.md"), Page.at(ROOT / "docs/design.md")]
    text = "\n".join(page.text for page in pages)

    assert set(re.findall(r"`make ([a-z]+)`", text)) <= set(targets())
    assert {"setup", "test", "fast", "lint", "bench", "ci", "hooks"} <= set(targets())


def test_make_alone_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert set(re.findall(r"^([a-z]+):[^#\n]*## ", text, re.MULTILINE)) == set(targets())
    assert ".DEFAULT_GOAL := help" in text


def test_make_lint_and_the_hooks_run_the_linters_of_ci() -> None:
    of_ci = set(_RUNS.findall(lint_of_ci()))
    of_make = set(_RUNS.findall(targets()["lint"]))

    assert of_ci == {"ruff check", "ruff format", "mypy", "lint-imports"}
    # CI may leave it to make, so that there is one list.
    assert of_make == of_ci or "make" in lint_of_ci()
    assert set(_RUNS.findall(hooks())) == of_make


def test_the_hooks_fetch_nothing() -> None:
    assert set(re.findall(r"repo: (\S+)", hooks())) == {"local"}
    assert set(re.findall(r"language: (\S+)", hooks())) == {"system", "pygrep"}


@pytest.mark.parametrize(
    ("message", "is_refused"),
    [
        (f"{_SUBJECT}\n\nThe reason.\n", False),
        (f"{_SUBJECT}s\n\nThe reason.\n", True),
        (f"{_SUBJECT.replace('e', 'é')}\n", False),  # characters, not bytes
        (f"{_SUBJECT.replace('e', 'é')}é\n", True),
        ("Say why\nwithout a line between\n", True),
        ("Say why\n# Please enter the commit message\n", False),
        (f"fixup! {_SUBJECT}\n", False),
        (f"Say why\n\n{_SUBJECT} {_SUBJECT}\n", False),
    ],
)
def test_a_commit_s_subject_fits_in_72_characters(message: str, *, is_refused: bool) -> None:
    found = re.search(r"id: commit-subject\n.*?entry: (.*?)\n", hooks(), re.DOTALL)
    assert found is not None
    # As pre-commit searches with --multiline: bytes, all lines at once.
    pattern = re.compile(found[1].encode(), re.MULTILINE | re.DOTALL)

    assert len(_SUBJECT) == 72
    assert bool(pattern.search(message.encode())) is is_refused


def versions() -> list[tuple[str, str]]:
    """Each heading of a version in the changelog, and what stands below it."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)


def test_the_changelog_is_by_version_the_newest_first() -> None:
    (first, _), *others = versions()

    assert first == "Unreleased"
    assert others
    assert [
        one for one, _ in others if not re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", one)
    ] == []


def test_below_a_version_is_what_was_added_changed_fixed_and_each_is_something() -> None:
    for version, text in versions():
        parts = re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", text, re.MULTILINE | re.DOTALL)
        names = [name for name, _ in parts]
        assert names == [name for name in ("Added", "Changed", "Fixed") if name in names], version
        assert all("\n- " in items for _, items in parts), version


def test_the_version_of_the_code_is_in_the_changelog() -> None:
    version = re.search(r"^version = (.+)$", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
    assert version is not None
    assert any(one.startswith(f"{version[1]} - ") for one, _ in versions())


def test_nothing_of_one_machine_is_in_the_door() -> None:
    for path in ("Makefile", ".pre-commit-config.yaml", ".editorconfig", *(p.name for p in DOOR)):
        assert not re.search(
            r"(?<![\w.])/(?:home|root|tmp|work)/", Path(ROOT / path).read_text()
        ), path
