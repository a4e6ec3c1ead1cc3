"""No page tells anybody to install what is not ours under our name, or what is not there."""

import re
from configparser import ConfigParser

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from pages import ELSEWHERE, ROOT, Page, pages

OURS = "attendance-outbox"
NOT_OURS = "attendance"
"""On PyPI the name of somebody else's package."""

THIRD_PARTY = {"datasette", "psycopg"}
TOLD = [*pages(), *map(Page.at, ELSEWHERE)]
SENTENCES = sorted((ROOT / "attendance").rglob("*.py"))
_WORD = re.compile(r"""'[^']*'|"[^"]*"|[^\s'"`&|;<>()]+""")
_INSTALL = re.compile(rf"pip3? (?:install|wheel)((?: +(?:{_WORD.pattern}))+)")
_WITH_VALUE = {"-c", "-r", "-w", "--constraint", "--requirement", "--wheel-dir"}


def _setup() -> ConfigParser:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup


def _pinned() -> dict[str, Version]:
    lines = re.findall(
        r"^([\w.-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE
    )
    return {name.lower(): Version(version) for name, version in lines}


def installed(text: str) -> list[str]:
    """What `pip install` is given in a text: `.[test]`, `datasette<1`."""
    found = []
    for line in _INSTALL.findall(text):
        words = [word.strip("'\"") for word in _WORD.findall(line.partition(" #")[0])]
        for before, word in zip(["", *words], words, strict=False):
            if not word.startswith("-") and not _takes_a_value(before):
                found.append(word)
    return found


def _takes_a_value(option: str) -> bool:
    return option in _WITH_VALUE or (
        re.fullmatch("-[a-z]+", option) is not None and option[-1] in "crw"
    )


def check(what: str) -> None:
    """Raises AssertionError where nobody should install this."""
    if what.startswith((".", "/")):
        _, _, extras = what.partition("[")
        known = set(_setup()["options.extras_require"])
        assert {one for one in extras.rstrip("]").split(",") if one} <= known, what
        return
    asked = Requirement(what)
    assert asked.name in THIRD_PARTY, f"{what}: nobody vouches for that name"
    assert asked.name in _pinned(), f"{what} is not in constraints.txt"
    assert _pinned()[asked.name] in asked.specifier, f"{what} is not what constraints.txt has"


@pytest.mark.parametrize("page", TOLD, ids=lambda page: page.name)
def test_what_a_page_installs_is_ours_or_vouched_for(page: Page) -> None:
    for what in installed(page.text):
        check(what)


def test_so_is_what_the_program_says_to_install() -> None:
    told = [what for path in SENTENCES for what in installed(path.read_text(encoding="utf-8"))]

    assert told
    for what in told:
        check(what)


@pytest.mark.parametrize(
    "what",
    [
        "attendance[postgres]",
        "attendance",
        "attendance-outbox",
        ".[postgre]",
        "datasette>=1",
        "rich",
    ],
)
def test_what_nobody_should_install_is_found(what: str) -> None:
    with pytest.raises(AssertionError):
        check(what)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pip install -qc constraints.txt -e '.[test]' && serve", [".[test]"]),
        ("(`pip install 'datasette<1'`, or not)", ["datasette<1"]),
        ("with `pip install 'attendance[postgres]'`", ["attendance[postgres]"]),
        ("pip wheel --no-deps .", ["."]),
    ],
)
def test_what_is_told_to_be_installed(text: str, found: list[str]) -> None:
    assert installed(text) == found


@pytest.mark.parametrize("page", TOLD, ids=lambda page: page.name)
def test_the_name_of_the_distribution_is_never_that_of_somebody_else_s(page: Page) -> None:
    assert f"{NOT_OURS}[" not in page.text
    assert f"pip install {NOT_OURS}" not in page.text
