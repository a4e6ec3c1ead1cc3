"""The findings have the form that their README states. Whether they hold, `findings/run` says."""

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest
from pages import ROOT

FOLDER = ROOT / "findings"
FINDINGS = sorted(FOLDER.glob("*.sh"))
HEAD = ("With:", "Guessed:", "Seen:", "So:")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def python_of(text: str) -> str:
    """What a script gives to Python."""
    [code] = re.findall(r"<<'PYTHON'\n(.*?)^PYTHON$", text, re.MULTILINE | re.DOTALL)
    return str(code)


def installed(text: str) -> list[str]:
    """What its shell hands to pip."""
    [line] = re.findall(r"^env/bin/pip install ((?:.*\\\n)*.*)", text, re.MULTILINE)
    return [word for word in line.replace("\\\n", " ").split() if not word.startswith("-")]


def test_each_is_listed_in_the_readme_and_no_other() -> None:
    listed = re.findall(r"^\| \[(\w+)\]\((\w+)\.sh\)", text_of(FOLDER / "README.md"), re.MULTILINE)

    assert [name for name, _ in listed] == [path.stem for path in FINDINGS]
    assert all(name == file for name, file in listed)


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.stem)
def test_its_head_says_what_was_guessed_and_seen(path: Path) -> None:
    first, title, *_ = text_of(path).splitlines()
    head = re.findall(r"^# (\w+:) +\S", text_of(path), re.MULTILINE)

    assert first == "#!/usr/bin/env bash"
    assert re.fullmatch(r"# \w.+\.", title)
    assert tuple(head) == HEAD


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.stem)
def test_it_works_in_a_folder_of_its_own_with_packages_of_one_version_each(path: Path) -> None:
    text = text_of(path)

    assert 'folder=$(mktemp -d)\ntrap \'rm -rf "$folder"\' EXIT\ncd "$folder"\n' in text
    assert installed(text)
    assert [one for one in installed(text) if not re.fullmatch(r"[\w.-]+==[\w.]+", one)] == []


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.stem)
def test_it_runs_no_code_of_ours_and_can_fail(path: Path) -> None:
    tree = ast.parse(python_of(text_of(path)))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else _names(node))
    }

    assert "attendance" not in imported
    assert str(ROOT) not in text_of(path)
    assert 'raise SystemExit(f"CHANGED: ' in text_of(path)


def _names(node: ast.Import) -> list[str]:
    return [alias.name for alias in node.names]


@pytest.mark.parametrize("path", [*FINDINGS, FOLDER / "run"], ids=lambda path: path.stem)
def test_bash_can_read_it_and_the_system_can_run_it(path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True)
    assert os.access(path, os.X_OK)


def run(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    script = folder / "run"
    script.write_text(text_of(FOLDER / "run"), encoding="utf-8")
    return subprocess.run(
        ["bash", str(script), *names], capture_output=True, text=True, check=False
    )


def test_run_says_which_hold(tmp_path: Path) -> None:
    (tmp_path / "one.sh").write_text("echo seen")
    (tmp_path / "two.sh").write_text("echo seen")
    done = run(tmp_path)

    assert done.returncode == 0
    assert re.findall(r"^(\w+) +(\w+) ", done.stdout, re.MULTILINE)[:2] == [
        ("holds", "one"),
        ("holds", "two"),
    ]
    assert "2 of 2 hold." in done.stdout
    assert "seen" not in done.stdout


def test_run_fails_where_one_has_changed_and_shows_what_it_saw(tmp_path: Path) -> None:
    (tmp_path / "one.sh").write_text("echo seen")
    (tmp_path / "two.sh").write_text("echo another; exit 3")
    done = run(tmp_path)

    assert done.returncode == 1
    assert "CHANGED  two" in done.stdout
    assert "    another" in done.stdout
    assert "1 of 2 hold." in done.stdout


def test_run_takes_names(tmp_path: Path) -> None:
    (tmp_path / "one.sh").write_text("exit 0")
    (tmp_path / "two.sh").write_text("exit 3")

    assert run(tmp_path, "one").returncode == 0
    assert run(tmp_path, "findings/two.sh").returncode == 1
