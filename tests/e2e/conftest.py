"""Real processes: the sandbox in the test's own, the service in others."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from service import Client, Service, telegram

from attendance.models import Role
from attendance.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def make_service(tmp_path: Path, sandbox: Sandbox) -> Iterator[Callable[..., Service]]:
    """Start services that send to the sandbox; all of them end with the test."""
    with ExitStack() as stack:

        def make(**settings: str) -> Service:
            service = Service(tmp_path, command=("serve",), **{**telegram(sandbox), **settings})
            return stack.enter_context(service)

        yield make


@pytest.fixture
def make_client() -> Iterator[Callable[..., Client]]:
    with ExitStack() as stack:

        def make(service: Service, role: Role = "frontend") -> Client:
            return stack.enter_context(Client(service, service.make_key(role)))

        yield make
