"""What an installed copy needs is in the wheel: setup.cfg lists every package by name."""

from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parent.parent


def listed() -> set[str]:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    return set(config["options"]["packages"].split())


def test_every_package_is_in_the_wheel() -> None:
    folders = (path.parent for path in (ROOT / "attendance").rglob("__init__.py"))
    code = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    migrations = {"attendance.migrations", "attendance.migrations.versions"}
    assert listed() == code | migrations


def test_the_migrations_are_packages_that_a_wheel_can_hold() -> None:
    assert (ROOT / "migrations" / "__init__.py").exists()
    assert (ROOT / "migrations" / "versions" / "__init__.py").exists()
