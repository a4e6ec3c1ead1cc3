"""Where the database may lie, who may read it, and that nobody opens it past SQLite."""

import ast
import grp
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from notes import add, make_notes, processes
from sqlalchemy import make_url

import attendance
from attendance.db import BadDatabaseUrl, Database, NoDatabase, SqliteDatabase, schema
from attendance.db.sqlite.files import _refuse_network_file_system, file_system_of, sqlite_path

SOURCES = Path(attendance.__file__).parent
MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/export /srv nfs4 rw 0 0
/dev/sdb1 /srv/local xfs rw 0 0
//server/share /mnt/two\\040words cifs rw 0 0
"""


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def in_use(url: str) -> dict[str, os.stat_result]:
    """Each file of a database that is being read and written."""
    database = Database.at(url)
    assert isinstance(database, SqliteDatabase)
    make_notes(database.path)
    database.write(add("a"))
    with database.snapshot() as connection:
        connection.exec_driver_sql("SELECT * FROM note").fetchall()
    found = {path.name: path.stat() for path in database.path.parent.iterdir()}
    database.close()
    return found


def modes(files: dict[str, os.stat_result]) -> dict[str, int]:
    return {name: stat.S_IMODE(found.st_mode) for name, found in files.items()}


NOBODY, OTHER_GROUP = 65534, 1
FILES = ("attendance.db", "attendance.db-wal", "attendance.db-shm", "attendance.db.turnstile")


@pytest.mark.slow
@pytest.mark.usefixtures("umask")
def test_every_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    """TRAP 12."""
    url = f"sqlite:///{tmp_path}/attendance.db"
    schema.upgrade(url)
    assert modes(in_use(url)) == dict.fromkeys(FILES, 0o600)


@pytest.mark.slow
@pytest.mark.usefixtures("umask")
def test_a_group_may_be_let_in(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/attendance.db"
    schema.upgrade(url, _a_group_of_mine())
    assert modes(in_use(url)) == dict.fromkeys(FILES, 0o660)


@pytest.mark.slow
def test_a_group_may_be_let_in_later(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/attendance.db"
    schema.upgrade(url)
    schema.upgrade(url, _a_group_of_mine())
    assert modes(in_use(url)) == dict.fromkeys(FILES, 0o660)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that users without a name can reach."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        Path(place).chmod(0o777)
        yield Path(place)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_every_file_has_the_group_also_where_the_service_is_not_root(open_place: Path) -> None:
    """SQLite gives the side files the database's group only for root; its members could not read
    the database without."""
    url = f"sqlite:///{open_place}/attendance.db"
    schema.upgrade(url, grp.getgrgid(OTHER_GROUP).gr_name)
    for path in open_place.iterdir():
        os.chown(path, NOBODY, OTHER_GROUP)
    with processes(1) as pool:
        groups = pool.submit(groups_as_nobody, url).result()
    assert groups == dict.fromkeys(FILES, OTHER_GROUP)


def groups_as_nobody(url: str) -> dict[str, int]:
    os.setgroups([OTHER_GROUP])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        return {name: found.st_gid for name, found in in_use(url).items()}
    finally:
        os.seteuid(0)


def _a_group_of_mine() -> str:
    return grp.getgrgid(os.getegid()).gr_name


@pytest.mark.parametrize(
    "url",
    [
        *("sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+pysqlite:///:memory:"),
        *("sqlite:///file:a.db?uri=true", "sqlite:///file::memory:?cache=shared&uri=true"),
        *("sqlite:///a.db?mode=ro", "sqlite://attendance.db", "sqlite://data/attendance.db"),
        *("mysql://localhost/a"),
        *("", "attendance.db", "/var/lib/attendance.db", "sqlite://host:port/a.db"),
    ],
)
def test_what_cannot_keep_a_commit_is_refused_with_a_sentence(url: str) -> None:
    """TRAP 16."""
    with pytest.raises(BadDatabaseUrl, match=r"^DATABASE_URL .*: .*\.$"):
        Database.at(url)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/a.db", "ext4"),
        ("/srv/a.db", "nfs4"),
        ("/srv/local/a.db", "xfs"),
        ("/srv/localhost/a.db", "nfs4"),
        ("/mnt/two words/a.db", "cifs"),
    ],
)
def test_the_file_system_is_the_innermost_mount(tmp_path: Path, path: str, kind: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert file_system_of(Path(path), mounts) == kind


def test_the_file_system_is_unknown_where_there_are_no_mounts(tmp_path: Path) -> None:
    assert file_system_of(tmp_path / "a.db", tmp_path / "nothing") is None


@pytest.mark.parametrize("path", ["/srv/a.db", "/mnt/two words/a.db"])
def test_a_network_file_system_is_refused_with_a_sentence(tmp_path: Path, path: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    with pytest.raises(BadDatabaseUrl, match=r"^DATABASE_URL names .* network file system"):
        _refuse_network_file_system(Path(path), mounts)


def test_a_relative_path_counts_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert sqlite_path(make_url("sqlite:///attendance.db")) == tmp_path / "attendance.db"
    assert sqlite_path(make_url("sqlite:///../x/./a.db")) == tmp_path.parent / "x" / "a.db"


def test_a_missing_database_is_named_and_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoDatabase) as raised:
        Database.at("sqlite:///attendance.db")
    assert f"{tmp_path}/attendance.db (DATABASE_URL)" in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadDatabaseUrl, match="correct DATABASE_URL"):
        schema.upgrade(f"sqlite:///{tmp_path}/file/attendance.db")


def test_an_unknown_group_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"^DATABASE_GROUP names nobodies, which is no group"):
        schema.upgrade(f"sqlite:///{tmp_path}/attendance.db", "nobodies")


def opens_of_files(source: str) -> list[str]:
    """Each call in `source` that opens a file by its path."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [(getattr(call.func, "attr", getattr(call.func, "id", "")), call) for call in calls]
    openers = {"open", "read_bytes", "read_text", "write_bytes", "write_text", "copyfile", "copy2"}
    found = [call for name, call in named if name in openers]
    return [ast.unparse(call) for call in sorted(found, key=lambda call: call.lineno)]


def test_the_database_file_is_opened_only_to_make_it() -> None:
    """TRAP 2: whoever closes a descriptor of the file drops SQLite's locks on it."""
    assert opens_of_files((SOURCES / "db/sqlite/files.py").read_text()) == [
        "os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 384)",
        "mounts.read_text(encoding='utf-8', errors='replace')",
    ]


@pytest.mark.parametrize(
    "source", sorted(SOURCES.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCES))
)
def test_nobody_opens_the_path_of_a_database(source: Path) -> None:
    opened = [call for call in opens_of_files(source.read_text()) if "database" in call.lower()]
    assert opened == []


def test_the_search_for_opens_finds_them() -> None:
    """The control."""
    assert opens_of_files("database.path.open('rb')") == ["database.path.open('rb')"]
    assert opens_of_files("shutil.copyfile(database.path, x)") != []
