"""Who called sudo: what SUDO_USER says counts only where sudo is an ancestor, and is bounded."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from commands import Desk

from attendance.cli import sudo

ME = 4711
ADA = pwd.struct_passwd(("ada", "x", 1000, 1000, "", "/", "/bin/sh"))
SUDO, SHELL, INIT = ("sudo", 0), ("bash", 1000), ("systemd", 0)


@pytest.fixture(autouse=True)
def _ada(monkeypatch: pytest.MonkeyPatch) -> None:
    def named(name: str) -> pwd.struct_passwd:
        if name != "ada":
            raise KeyError(name)
        return ADA

    monkeypatch.setattr(pwd, "getpwnam", named)


def line_of(folder: Path, *processes: tuple[str, int]) -> int:
    """Lay a /proc in `folder`, each process the child of the next; return the first one's id."""
    pids: list[int] = [*range(ME, ME - len(processes) + 1, -1), 1][: len(processes)]
    for (name, uid), pid, parent in zip(processes, pids, [*pids[1:], 0], strict=True):
        place = folder / str(pid)
        place.mkdir()
        uids = f"{uid}\t{uid}\t{uid}\t{uid}"
        (place / "status").write_text(f"Name:\t{name}\nPPid:\t{parent}\nUid:\t{uids}\n")
    return pids[0]


def called(folder: Path, *processes: tuple[str, int], user: str = "ada") -> str | None:
    return sudo.caller({"SUDO_USER": user}, line_of(folder, *processes), folder)


@pytest.mark.parametrize(
    "processes",
    [
        (SUDO, SHELL, INIT),
        (SUDO, SUDO, SHELL, INIT),  # once more for the terminal
        (("sh", 0), SUDO, SHELL, INIT),
        (SUDO, INIT),  # the shell has gone
    ],
)
def test_behind_sudo_it_counts(tmp_path: Path, processes: Sequence[tuple[str, int]]) -> None:
    assert called(tmp_path, *processes) == "ada"


@pytest.mark.parametrize(
    "processes",
    [
        (SHELL, INIT),
        (("sudo", 1000), SHELL, INIT),  # a program of one's own, by that name
        (("sudoku", 0), SHELL, INIT),
        (SUDO, ("bash", 1001), INIT),  # another program of root's, by that name: su, for instance
        (),
    ],
)
def test_elsewhere_it_does_not(tmp_path: Path, processes: Sequence[tuple[str, int]]) -> None:
    shown = (
        called(tmp_path, *processes)
        if processes
        else sudo.caller({"SUDO_USER": "ada"}, ME, tmp_path)
    )
    assert shown is None


def test_without_a_claim_there_is_none(tmp_path: Path) -> None:
    assert sudo.caller({}, line_of(tmp_path, SUDO, SHELL, INIT), tmp_path) is None
    assert sudo.caller({"SUDO_USER": "\x1b\n"}, ME, tmp_path) is None


def test_a_name_is_cleaned_and_cut(tmp_path: Path) -> None:
    said = called(tmp_path, SUDO, INIT, user="a\x1b[2J\u009bd\u202ea" + "a" * 300)

    assert said == ("a[2Jda" + "a" * 300)[:64]


def test_parents_that_go_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "status").write_text("Name:\tsh\nPPid:\t5\nUid:\t0\t0\t0\t0\n")

    assert sudo.caller({"SUDO_USER": "ada"}, 5, tmp_path) is None


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a program that looks like sudo")
@pytest.mark.parametrize(("name", "shown"), [("sudo", "ada (as root)"), ("other", "root")])
def test_the_trail_names_who_stands_behind_it(
    desk: Desk, tmp_path: Path, name: str, shown: str
) -> None:
    shell = Path(shutil.copy("/bin/sh", tmp_path / name))
    command = desk.command("keys", "create", "door", "--role", "admin")
    subprocess.run(
        [str(shell), "-c", '"$@"; exit $?', name, *command],
        cwd=desk.directory,
        env=desk.environment(SUDO_USER="ada"),
        check=True,
        capture_output=True,
    )

    assert [row["actor_name"] for row in desk.audited("key.created")] == [shown]
