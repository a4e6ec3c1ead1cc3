"""A service for each test, closed at its end."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from calling import Api, make_keys

from attendance.app import create_app
from attendance.config import Settings
from attendance.db import Database, SqliteDatabase

TOKEN = "123456789:AAE-notARealTokenOfAnyBot-0123456789"


@pytest.fixture(scope="session")
def with_keys(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a key of each role, that nobody has open: it may be copied."""
    path = Path(shutil.copy(migrated, tmp_path_factory.mktemp("with-keys")))
    database = SqliteDatabase(path)
    make_keys(database)
    database.close()
    return path


@pytest.fixture
def sqlite_url(with_keys: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(with_keys, tmp_path)}"


@pytest.fixture
def postgres_url(postgres_url: str) -> str:
    """The same on PostgreSQL."""
    database = Database.at(postgres_url)
    make_keys(database)
    database.close()
    return postgres_url


@pytest.fixture
def make_api(database_url: str) -> Iterator[Callable[..., Api]]:
    """Services on one database, each with the settings that it is given."""
    made: list[Api] = []

    def make(**environ: str) -> Api:
        given = {
            "DATABASE_URL": database_url,
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_CHAT_ID": "1000",
            **environ,
        }
        made.append(Api(create_app(Settings.from_env(given))))
        return made[-1]

    yield make
    for api in made:
        api.close()


@pytest.fixture
def api(make_api: Callable[..., Api]) -> Api:
    return make_api()


@pytest.fixture
def make_twin(with_keys: Path, tmp_path: Path) -> Iterator[Callable[[], Api]]:
    """Services on a database each, which begin with the same rows at the same time."""
    made: list[Api] = []

    def make() -> Api:
        path = shutil.copy(with_keys, tmp_path / f"twin-{len(made)}.db")
        given = {
            "DATABASE_URL": f"sqlite:///{path}",
            "TELEGRAM_CHAT_ID": "1000",
            "SECRET_KEY": "the same for each of them, as it signs their cursors",
        }
        made.append(Api(create_app(Settings.from_env(given))))
        return made[-1]

    yield make
    for api in made:
        api.close()
