"""What the code promises about itself: layers, sizes, one writer of the trail, real settings."""

import ast
import configparser
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gunicorn.config import KNOWN_SETTINGS

from attendance.config import Settings

ROOT = Path(__file__).parent.parent
CODE = sorted((ROOT / "attendance").rglob("*.py"))
LONGEST_FUNCTION = 40
LONGEST_MODULE = 300

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


def _length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_every_module_imports_from_below_only() -> None:
    lint = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert lint.returncode == 0, lint.stdout + lint.stderr
    assert " 0 broken" in lint.stdout


def test_every_module_is_in_the_contract() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    layers = re.findall(r"\w+", setup["importlinter:contract:layers"]["layers"])
    modules = {path.stem for path in (ROOT / "attendance").glob("[!_]*.py")}
    packages = {path.parent.name for path in (ROOT / "attendance").glob("*/__init__.py")}

    assert set(layers) == modules | packages


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_function_and_no_module_is_long(path: Path) -> None:
    long = {one.name: _length(one) for one in _functions(path) if _length(one) > LONGEST_FUNCTION}

    assert long == {}
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_hides_in_a_function(path: Path) -> None:
    hidden = [
        f"{function.name}:{node.lineno}"
        for function in _functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    assert hidden == []


FAST = ("web/fast", "db/fast")


@pytest.mark.parametrize("folder", FAST)
def test_whatever_only_speed_asks_for_is_shown_to_be_needless(folder: str) -> None:
    """Each module has a test that the service does the same without it."""
    modules = {path.name for path in (ROOT / "attendance" / folder).glob("[!_]*.py")}

    assert modules
    assert [
        name for name in sorted(modules) if not (ROOT / "tests" / folder / f"test_{name}").exists()
    ] == []


def test_nothing_is_fast_elsewhere() -> None:
    folders = {str(one.relative_to(ROOT / "attendance")) for one in ROOT.glob("attendance/**/fast")}

    assert folders == set(FAST)


TRAIL = ROOT / "attendance" / "audit"
TRAIL_CLASSES = {"AuditEntry", "AuditLeaf", "AuditSeal"}
CHANGING = {"insert", "update", "delete"}


def _names(path: Path) -> set[str]:
    """Every name that the module reads or imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return found | {alias.name for node in imports for alias in node.names}


def test_nobody_but_the_trail_s_own_package_knows_its_tables() -> None:
    strangers = [path for path in CODE if TRAIL_CLASSES & _names(path) and path.parent != TRAIL]

    assert strangers == []


def test_in_that_package_one_module_records_one_seals_and_one_prunes() -> None:
    changing = {path.stem: CHANGING & _names(path) for path in CODE if path.parent == TRAIL}

    assert {stem: names for stem, names in changing.items() if names} == {
        "trail": {"insert"},
        "seals": {"insert"},
        "pruning": {"delete"},
    }


def test_no_text_of_sql_changes_the_trail() -> None:
    changing = re.compile(
        r"(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|UPDATE|DELETE\s+FROM|REPLACE\s+INTO)\s+[\"'`]?audit\b"
        r"|(?:INTO|UPDATE|FROM)\s+[\"'`]?audit_(?:leaf|seal)\b",
        re.IGNORECASE,
    )

    assert [path for path in CODE if changing.search(path.read_text(encoding="utf-8"))] == []


BELOW_THE_TRAIL = {"config", "db", "outbox", "sandbox", "telegram", "models.py"}
NO_ACTIONS = {"attendance.arguments", "attendance.cli", "manage.py", "wsgi.input"}


def test_the_trail_s_format_lists_every_action_that_the_code_can_write() -> None:
    action = re.compile(r"[a-z]+\.[a-z_]+")
    code = ROOT / "attendance"
    texts = {
        node.value
        for path in CODE
        if path.relative_to(code).parts[0] not in BELOW_THE_TRAIL
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    table = (TRAIL / "FORMAT.md").read_text(encoding="utf-8").partition("| action | is |")[2]
    listed = [name for line in table.splitlines() for name in action.findall(line.split(" | ")[0])]

    assert sorted(listed) == sorted({one for one in texts if action.fullmatch(one)} - NO_ACTIONS)


def test_only_the_database_s_own_code_begins_or_ends_a_transaction() -> None:
    ending = re.compile(r"\.(?:commit|rollback|begin)\(\)")
    found = {
        path.relative_to(ROOT / "attendance").parts[0]
        for path in CODE
        if ending.search(path.read_text(encoding="utf-8"))
    }

    assert found <= {"db"}


ACTS = {
    "attendance.outbox.admin": {"retry", "cancel", "pause", "resume"},
    "attendance.notifications.routing": {"add", "remove", "set_up"},
}
"""What changes messages and chats, and is called, with its audit row, by the operations alone."""


def _imports(path: Path) -> Iterator[str]:
    """The dotted names that the module imports, and those that it reads of them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            above = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                called[alias.asname or alias.name] = above + alias.name
    yield from called.values()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (module := called.get(ast.unparse(node.value))):
            yield f"{module}.{node.attr}"


def _imported_by(folder: str) -> set[str]:
    paths = sorted((ROOT / "attendance" / folder).rglob("*.py"))
    return {name for path in paths for name in _imports(path)}


@pytest.mark.parametrize("folder", ["cli", "web"])
def test_an_act_on_messages_or_chats_goes_through_the_operations(folder: str) -> None:
    acts = {f"{module}.{name}" for module, names in ACTS.items() for name in names}
    imported = _imported_by(folder)

    assert not imported & acts
    assert not [name for name in imported if name.startswith("attendance.outbox.parking")]
    assert any(name.startswith("attendance.notifications.operations.") for name in imported)


def test_the_operations_are_where_those_acts_are_called() -> None:
    acts = {f"{module}.{name}" for module, names in ACTS.items() for name in names}

    assert acts <= set(_imports(ROOT / "attendance" / "notifications" / "operations.py"))


@pytest.mark.parametrize(("folder", "other"), [("cli", "web"), ("web", "cli")])
def test_the_command_line_and_the_api_know_nothing_of_each_other(folder: str, other: str) -> None:
    strange = f"attendance.{other}"

    assert not [
        name for name in _imported_by(folder) if name == strange or name.startswith(f"{strange}.")
    ]


def test_gunicorn_knows_every_setting_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ignores a misspelt one without a word."""
    for variable in _variables():
        monkeypatch.delenv(variable, raising=False)
    given = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    source = ast.parse((ROOT / "gunicorn.conf.py").read_text(encoding="utf-8"))
    names = {
        target.id
        for node in source.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and not target.id.startswith("_")
    } | {node.name for node in source.body if isinstance(node, ast.FunctionDef)}

    assert "graceful_timeout" in names
    assert names <= given.keys()
    assert names - {setting.name for setting in KNOWN_SETTINGS} == set()


def test_gunicorn_gives_a_stopping_worker_the_time_of_a_delivery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TELEGRAM_TIMEOUT", "3,20")
    given = runpy.run_path(str(ROOT / "gunicorn.conf.py"))

    assert (given["graceful_timeout"], given["timeout"]) == (30, 30)
    assert given["preload_app"] is False
    assert given["control_socket_disable"] is True


def test_a_wrong_setting_stops_gunicorn_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "many")

    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(ROOT / "gunicorn.conf.py"))

    assert str(stopped.value).startswith("Error: WEB_CONCURRENCY is 'many'")


def test_each_variable_is_a_field_of_the_settings() -> None:
    assert {name.lower() for name in _variables()} == set(Settings.__dataclass_fields__)


def test_the_table_of_settings_has_every_variable_and_no_other() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if re.match(r"\| *`[A-Z]", line)]
    listed = set(re.findall(r"`([A-Z][A-Z_]+)`", " ".join(rows)))

    assert {name for name in listed if not name.endswith("_FILE")} == _variables()


def _variables() -> set[str]:
    """What `config/settings.py` reads from the environment."""
    source = (ROOT / "attendance" / "config" / "settings.py").read_text(encoding="utf-8")
    return set(re.findall(r"read(?:\.\w+)?\(\s*\"([A-Z_]+)\"", source))
