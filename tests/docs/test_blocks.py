"""Every block of every page is of a known class, and what cannot be run is proved otherwise."""

import re

import pytest
from classes import HELD, class_of
from command_lines import COMMANDS, NoSuchCommand, check, is_ours, named, words_of
from pages import ELSEWHERE, ROOT, Block, Page, pages
from stage import lines_of

from attendance.config import Settings

BLOCKS = [block for page in pages() for block in page.blocks]
PROGRAMS = re.compile(r"^(?:\$ |sudo |pip |pytest|python3? |curl |export |\.venv/|manage\.py )")
ALL_PAGES = [*pages(), *map(Page.at, ELSEWHERE)]
GROUPS = {name.split()[0] for name in COMMANDS if " " in name}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_is_of_a_class(block: Block) -> None:
    assert class_of(block)


@pytest.mark.parametrize("first", ["```\nmanage.py serve\n```\n", "```sh later\nx\n```\n"])
def test_a_block_of_none_is_found(first: str) -> None:
    (block,) = Page("docs/none.md", first).blocks

    with pytest.raises(AssertionError, match="is of no class"):
        class_of(block)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_fence_is_closed(page: Page) -> None:
    assert page.text.count("```") == 2 * len(page.blocks)


@pytest.mark.parametrize("block", [one for one in BLOCKS if class_of(one) == "shown"], ids=str)
def test_a_picture_has_nothing_to_type(block: Block) -> None:
    assert [line for line in block.text.splitlines() if PROGRAMS.match(line)] == []


@pytest.mark.parametrize(("place", "file"), HELD.items())
def test_what_another_test_carries_out_is_on_the_page_that_it_reads(
    place: tuple[str, str], file: str
) -> None:
    page, words = place
    here = [one for one in BLOCKS if one.page == page]
    test = (ROOT / file).read_text(encoding="utf-8")

    assert [one for one in here if f"{one.language} {one.kind}".strip() == words]
    assert f'"{page.rsplit("/", 1)[-1]}"' in test


@pytest.mark.parametrize("block", [one for one in BLOCKS if class_of(one) == "parsed"], ids=str)
def test_what_needs_a_real_bot_names_commands_and_settings_that_there_are(block: Block) -> None:
    settings = {name.upper() for name in Settings.__dataclass_fields__}
    for line, _ in lines_of(block):
        if line.startswith("export "):
            assert set(re.findall(r"([A-Z_]+)=", line)) <= settings
        else:
            check(line)


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_every_command_in_the_text_has_the_options_that_it_is_shown_with(page: Page) -> None:
    found = [one for one in page.code if is_ours(one) or named(one)]
    for text in found:
        if not _of_a_group(text):
            check(text)


def _of_a_group(text: str) -> bool:
    """`manage.py` alone, `manage.py COMMAND --help`, `manage.py audit …`."""
    words = words_of(text)
    return not words or words[0] == "COMMAND" or (words[0] in GROUPS and words[1:] == ["…"])


@pytest.mark.parametrize(
    "text", ["manage.py chats ad 1", "outbox retry --errors x", "attendance x"]
)
def test_a_command_that_there_is_not_is_found(text: str) -> None:
    with pytest.raises(NoSuchCommand):
        check(text)


def _test_lines(page: Page) -> list[str]:
    typed = [one for one in page.code if re.match(r"(?:[A-Z_]+=\S+ )*(?:pytest|python3?) ", one)]
    blocks = [one for one in page.blocks if (one.language, one.kind) == ("sh", "pytest")]
    return [*typed, *(line for block in blocks for line, _ in lines_of(block))]


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_every_test_and_benchmark_that_a_page_names_is_there(page: Page) -> None:
    run = (ROOT / "tests/benchmarks/run.py").read_text(encoding="utf-8")
    for line in _test_lines(page):
        files = [word for word in line.split() if word.startswith("tests/")]
        assert [one for one in files if not _is_there(one)] == [], line
        assert [one for one in re.findall(r"--only ([a-z-]+)", line) if one not in run] == [], line


BY_ANOTHER_NAME = {"lint-imports": "import-linter", "pip": "setuptools"}


def test_every_program_of_the_environment_that_a_page_runs_is_a_requirement() -> None:
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    required = {"setuptools", "attendance", "python"}
    required |= set(re.findall(r"^    ([a-z0-9-]+)(?:\[\w+\])?>=", setup, re.MULTILINE))
    texts = [block.text for block in BLOCKS if block.language in {"sh", "console"}]
    run = {name for text in texts for name in re.findall(r"\.venv/bin/([a-z-]+)", text)}

    assert {"pytest", "ruff", "python"} <= run
    assert {BY_ANOTHER_NAME.get(name, name) for name in run} <= required


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_every_path_of_tests_that_a_page_names_is_there(page: Page) -> None:
    paths = re.findall(r"tests/[\w/*.]*[\w*/]", page.text)

    assert [one for one in paths if not _is_there(one)] == []


def _is_there(path: str) -> bool:
    return any(ROOT.glob(path.replace("…", "*").rstrip("/")))


def test_each_benchmark_of_the_table_can_be_asked_for() -> None:
    run = (ROOT / "tests/benchmarks/run.py").read_text(encoding="utf-8")
    (page,) = [one for one in pages() if one.name == "docs/benchmarks.md"]
    names = {row[3].strip("`") for row in page.table("what, ours to theirs")}

    assert len(names) > 5
    assert [name for name in sorted(names) if f'"{name}"' not in run] == []
