"""The unit for systemd is one that systemd takes, where it is there to be asked."""

import shutil
import subprocess
from pathlib import Path

from pages import page

PROGRAM = "/opt/attendance/.venv/bin/attendance serve"
ANALYZE = shutil.which("systemd-analyze")


def _said(unit: str, folder: Path) -> str:
    """What systemd has to say of a unit, but for whether its program is installed."""
    path = folder / "attendance.service"
    path.write_text(unit.replace(PROGRAM, "/bin/true"), encoding="utf-8")
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", path], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def _unit() -> str:
    (block,) = [one for one in page("docs/operator.md").blocks if one.language == "ini"]
    assert PROGRAM in block.text
    return block.text


if ANALYZE:

    def test_systemd_has_nothing_to_say_of_it(tmp_path: Path) -> None:
        assert _said(_unit(), tmp_path) == ""

    def test_it_has_of_one_with_a_mistake(tmp_path: Path) -> None:
        unit = _unit().replace("NoNewPrivileges", "NoNewPrivilege")

        assert "NoNewPrivilege" in _said(unit, tmp_path)
