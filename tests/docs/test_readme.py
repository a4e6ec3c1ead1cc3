"""The README: as long as people read, and in the order in which they ask."""

import re

from command_lines import COMMANDS
from pages import ROOT, codes, page

README = page("README.md")
HEADINGS = [
    *("Quick start", "How it works", "The API", "The command line", "Configuration"),
    *("Running it", "Finding your way", "Development"),
]


def test_it_has_150_to_200_lines() -> None:
    assert 150 <= len(README.text.splitlines()) <= 200


def test_it_goes_on_in_the_order_in_which_people_ask() -> None:
    assert re.findall(r"^## (.+)$", README.prose, re.MULTILINE) == HEADINGS


def test_it_leads_to_every_reader_s_page() -> None:
    readers = "quickstart frontend admin auditor operator postgresql design benchmarks settings"
    assert {f"docs/{name}.md" for name in readers.split()} <= set(README.links)


def test_its_table_of_commands_has_every_command_and_no_other() -> None:
    named = set()
    for row in README.section("The command line").table("command"):
        words = [re.sub(r" \[.*", "", one) for one in codes(row[0])]
        group = words[0].split()[0] if " " in words[0] else ""
        named |= {word if " " in word else f"{group} {word}".strip() for word in words}

    assert named == set(COMMANDS)


def test_its_settings_are_told_as_on_the_page_of_settings() -> None:
    all_of_them = {
        variable: default
        for row in page("docs/settings.md").table("variable")
        for variable, default in _defaults(row)
    }
    few = [
        pair for row in README.section("Configuration").table("variable") for pair in _defaults(row)
    ]

    assert len(few) >= 6
    assert [(name, default) for name, default in few if all_of_them[name] != default] == []


def _defaults(row: list[str]) -> list[tuple[str, str]]:
    """Each variable of a row with its default, as it is written there."""
    names = [one for one in codes(row[0]) if not one.startswith("_")]
    values = codes(row[1]) if len(codes(row[1])) == len(names) else [row[1]] * len(names)
    return list(zip(names, values, strict=True))


def test_its_endpoints_are_those_of_the_frontend_s_page() -> None:
    told = {
        path for row in README.section("The API").table("method and path") for path in _paths(row)
    }
    all_of_them = {
        path for row in page("docs/frontend.md").table("method and path") for path in _paths(row)
    }

    assert told == all_of_them


def _paths(row: list[str]) -> list[str]:
    return [one.rsplit(" ", 1)[-1] for one in codes(row[0])]


def test_its_picture_is_that_of_the_design() -> None:
    picture = README.section("How it works").blocks[0]

    assert picture.text == page("docs/design.md").blocks[0].text


def test_it_names_the_licence_that_there_is() -> None:
    assert "MIT" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "MIT licence, see [LICENSE](LICENSE)." in README.text
