"""What an installed copy needs is in the wheel, and what it tells people to install is there."""

import ast
import re
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

import pytest

from attendance.config.version import DISTRIBUTION, UNKNOWN, version

ROOT = Path(__file__).parent.parent
SOMEBODY_ELSES = "attendance"
"""What PyPI has under the name of our package is another program."""

_INSTALL = re.compile(r"pip install ('[^']*'|\S+)")


def setup() -> ConfigParser:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def listed() -> set[str]:
    return set(setup()["options"]["packages"].split())


def texts_of(source: str) -> list[str]:
    return [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def told_to_install(text: str) -> list[str]:
    """What `pip install` is given in a sentence."""
    return [what.strip("'") for what in _INSTALL.findall(text)]


def is_vouched_for(what: str) -> bool:
    """Whether it is one of the requirements that setup.cfg has, word for word."""
    config = setup()
    extras = "\n".join(config["options.extras_require"].values())
    return what in (config["options"]["install_requires"] + extras).split()


def test_every_package_is_in_the_wheel() -> None:
    folders = (path.parent for path in (ROOT / "attendance").rglob("__init__.py"))
    code = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    migrations = {"attendance.migrations", "attendance.migrations.versions"}
    assert listed() == code | migrations


def test_the_migrations_are_packages_that_a_wheel_can_hold() -> None:
    assert (ROOT / "migrations" / "__init__.py").exists()
    assert (ROOT / "migrations" / "versions" / "__init__.py").exists()


def test_the_distribution_bears_a_name_of_its_own() -> None:
    assert setup()["metadata"]["name"] == DISTRIBUTION != SOMEBODY_ELSES


def test_the_command_keeps_its_name() -> None:
    assert "attendance = attendance.cli:main" in setup()["options.entry_points"]["console_scripts"]


def test_the_version_is_that_of_the_installed_distribution() -> None:
    assert version() == metadata.version(DISTRIBUTION) == setup()["metadata"]["version"]


def test_code_that_pip_does_not_know_has_an_unknown_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find_none(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", find_none)

    assert version() == UNKNOWN


def test_the_program_tells_nobody_to_install_what_is_not_ours_or_not_there() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "attendance").rglob("*.py")]
    told = [
        what for source in sources for text in texts_of(source) for what in told_to_install(text)
    ]

    assert told
    assert [what for what in told if not is_vouched_for(what)] == []


@pytest.mark.parametrize(
    "sentence",
    [
        "pip install 'attendance[postgres]'",  # somebody else's
        "pip install 'attendance-outbox[postgres]'",  # not there
        "pip install psycopg",  # any version of it
    ],
)
def test_control_what_is_not_ours_or_not_there_is_found(sentence: str) -> None:
    [what] = told_to_install(sentence)
    assert not is_vouched_for(what)
