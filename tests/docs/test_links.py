"""Links lead somewhere, and every page is led to."""

from urllib.parse import urlsplit

import pytest
from pages import ELSEWHERE, ROOT, Page, page, pages

ALL_PAGES = [*pages(), *map(Page.at, ELSEWHERE)]


def _target(of: Page, link: str) -> tuple[Page | None, str]:
    """The page that a link leads to, where it is one, and the anchor. Raises AssertionError where
    there is nothing."""
    path, _, anchor = link.partition("#")
    there = (of.path.parent / path).resolve() if path else of.path
    assert there.exists(), f"{of.name}: {link} leads nowhere"
    assert there.is_relative_to(ROOT)
    return (Page.at(there) if there.suffix == ".md" else None), anchor


def _inner(of: Page) -> list[str]:
    return [link for link in of.links if not urlsplit(link).scheme]


@pytest.mark.parametrize("of", ALL_PAGES, ids=lambda of: of.name)
def test_every_link_leads_to_a_file_and_every_anchor_to_a_heading(of: Page) -> None:
    for link in _inner(of):
        found, anchor = _target(of, link)
        assert not anchor or (found is not None and anchor in found.anchors), f"{of.name}: {link}"


@pytest.mark.parametrize("of", ALL_PAGES, ids=lambda of: of.name)
def test_links_to_elsewhere_are_whole_addresses(of: Page) -> None:
    outer = [urlsplit(link) for link in of.links if urlsplit(link).scheme]

    assert [one for one in outer if one.scheme not in {"http", "https"} or not one.hostname] == []
    assert [one for one in outer if one.scheme == "http" and one.hostname != "127.0.0.1"] == []


def test_the_index_leads_to_every_page() -> None:
    reached = set()
    for index in (page("docs/README.md"), page("docs/decisions/README.md")):
        reached |= {
            found.name for found, _ in (_target(index, one) for one in _inner(index)) if found
        }

    docs = {one.name for one in pages()} - {"README.md", "docs/README.md"}
    assert docs <= reached


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("[a](b.md#c) and <https://d.example/e>", ["b.md#c", "https://d.example/e"]),
        ("```sh\n[a](b.md)\n```\n", []),
    ],
)
def test_what_is_a_link(text: str, links: list[str]) -> None:
    assert Page("docs/x.md", text).links == links


@pytest.mark.parametrize("link", ["nowhere.md", "quickstart.md#nowhere"])
def test_a_link_to_nowhere_is_found(link: str) -> None:
    with pytest.raises(AssertionError):
        test_every_link_leads_to_a_file_and_every_anchor_to_a_heading(
            Page("docs/x.md", f"[a]({link})")
        )


def test_anchors_are_those_of_github() -> None:
    made = Page("docs/x.md", "# A `word`, *told* & [linked](x.md)\n\n## Übung 2\n").anchors

    assert made == {"a-word-told--linked", "übung-2"}
