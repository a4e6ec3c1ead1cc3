"""The pages as a reader sees them: blocks to paste, tables, headings, links, words in code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
ELSEWHERE = (ROOT / "tests/benchmarks/README.md", ROOT / "tests/faults/README.md")
"""Pages that stay beside what they speak of."""

_FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|<(https?://[^>]+)>")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Block:
    """What stands between two fences. `language` and `kind` are the words behind the first."""

    page: str
    line: int
    language: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    name: str
    text: str

    @classmethod
    def at(cls, path: Path) -> "Page":
        return cls(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))

    @property
    def path(self) -> Path:
        return ROOT / self.name

    @cached_property
    def blocks(self) -> list[Block]:
        return list(self._blocks())

    def _blocks(self) -> Iterator[Block]:
        for found in _FENCE.finditer(self.text):
            language, _, kind = found[2].strip().partition(" ")
            line = self.text.count("\n", 0, found.start()) + 1
            yield Block(self.name, line, language, kind, dedent(found[3]))

    @cached_property
    def prose(self) -> str:
        """The page without its blocks."""
        return _FENCE.sub("", self.text)

    @property
    def links(self) -> list[str]:
        return [found[1] or found[2] for found in _LINK.finditer(self.prose)]

    @property
    def anchors(self) -> set[str]:
        """Of each heading, as GitHub makes them."""
        return {_slug(found[1]) for found in _HEADING.finditer(self.prose)}

    @property
    def code(self) -> list[str]:
        """What stands between backticks in the text, on one line each."""
        return [" ".join(found[1].split()) for found in _CODE.finditer(self.prose)]

    def section(self, heading: str) -> "Page":
        """The part of the page under `heading`, up to the next one of its level."""
        level = re.search(rf"^(#+) {re.escape(heading)}$", self.text, re.MULTILINE)
        assert level is not None, f"{self.name} has no heading {heading!r}"
        _, _, rest = self.text.partition(level[0] + "\n")
        part = re.split(rf"^#{{1,{len(level[1])}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]
        return Page(self.name, part)

    def table(self, *head: str) -> list[list[str]]:
        """The rows of the one table whose first cells are `head`."""
        wanted = [list(head)]
        (found,) = [rows for rows in self._tables() if [rows[0][: len(head)]] == wanted]
        return found[2:]

    def _tables(self) -> Iterator[list[list[str]]]:
        for part in re.findall(r"(?:^ *\|.*\n)+", self.prose + "\n", re.MULTILINE):
            yield [_cells(line) for line in part.splitlines()]


def pages() -> list[Page]:
    """The README and all of docs/."""
    paths = [README, *sorted((ROOT / "docs").rglob("*.md"))]
    return [Page.at(path) for path in paths]


def page(name: str) -> Page:
    return Page.at(ROOT / name)


def codes(cell: str) -> list[str]:
    """What stands between backticks in a cell."""
    return _CODE.findall(cell)


def _cells(line: str) -> list[str]:
    parts = re.split(r"(?<!\\)\|", line.strip().strip("|"))
    return [part.strip().replace("\\|", "|") for part in parts]


def _slug(heading: str) -> str:
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
