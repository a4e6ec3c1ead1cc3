"""The walks of docs/design.md lead through functions that are there, each called by a former."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
HOP = re.compile(r"^\d+\. (\*later\* )?`(attendance/[\w/]+\.py)` `([\w.]+)`: ", re.MULTILINE)


class Hop(NamedTuple):
    later: bool
    file: str
    name: str


def walks() -> dict[str, list[Hop]]:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    section = page.partition("\n## Three walks\n")[2].partition("\n## ")[0]
    parts = [part.partition("\n") for part in section.split("\n### ")[1:]]
    return {
        title: [Hop(bool(a), b, c) for a, b, c in HOP.findall(text)] for title, _, text in parts
    }


WALKS = walks()


def defined(file: str) -> set[str]:
    """Each function of the file, and each method as `Class.method`."""
    body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    names = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    classes = (node for node in body if isinstance(node, ast.ClassDef))
    return names | {
        f"{one.name}.{inner.name}"
        for one in classes
        for inner in one.body
        if isinstance(inner, ast.FunctionDef)
    }


def mentioned(file: str) -> set[str]:
    """Each name that the file reads, also behind a dot."""
    nodes = list(ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def test_there_are_three_walks_of_several_hops_each() -> None:
    assert len(WALKS) == 3
    assert all(len(hops) > 5 for hops in WALKS.values())


@pytest.mark.parametrize("title", WALKS)
def test_each_hop_is_a_function_that_is_there(title: str) -> None:
    assert [hop for hop in WALKS[title] if hop.name not in defined(hop.file)] == []


@pytest.mark.parametrize("title", WALKS)
def test_no_landmark_is_passed_twice(title: str) -> None:
    files = [hop.file for hop in WALKS[title]]

    assert len(set(files)) == len(files)


@pytest.mark.parametrize("title", WALKS)
def test_each_hop_is_called_by_one_before_it(title: str) -> None:
    hops = WALKS[title]
    uncalled = [
        hop
        for number, hop in enumerate(hops)
        if number and not hop.later
        if not any(mentioned(one.file) & set(hop.name.split(".")) for one in hops[:number])
    ]

    assert uncalled == []
