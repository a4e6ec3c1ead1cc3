"""Word of other hosts that fails for a while: told when it begins and when it ends."""

import logging
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import make_url

from attendance.db.postgres import listening
from attendance.db.postgres.engine import connected, single_engine

PATIENCE_SECONDS = 30.0


class Network:
    """What lies between the listener and the server."""

    def __init__(self) -> None:
        self.is_cut, self.refused, self.tries = False, threading.Event(), 0

    def connected(self, engine: Engine) -> AbstractContextManager[Connection]:
        if not self.is_cut:
            return connected(engine)
        self.tries += 1
        if self.tries % 3 == 0:
            self.refused.set()
        raise ConnectionError("The network is cut.")

    def cut_for_three_tries(self, heard: threading.Event) -> None:
        """In its midst somebody waits in vain; at its end they hear."""
        heard.clear()
        self.refused.clear()
        self.is_cut = True
        assert self.refused.wait(PATIENCE_SECONDS)
        self.is_cut = False
        assert heard.wait(PATIENCE_SECONDS)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network()
    monkeypatch.setattr(listening, "connected", network.connected)
    monkeypatch.setattr(listening, "_AGAIN_SECONDS", 0.01)
    return network


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    engine = single_engine(make_url(postgres_url))
    yield engine
    engine.dispose()


def test_an_outage_is_told_once_and_so_is_its_end(
    network: Network, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    network.is_cut = True
    heard = threading.Event()
    listener = listening.Listener(engine, heard)
    with caplog.at_level(logging.INFO):
        network.cut_for_three_tries(heard)
        listener.stop()

    assert network.tries >= 3
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "Nothing is heard of other hosts for now",
        "Other hosts are heard again.",
    ]


def test_where_nothing_fails_nothing_is_told(
    network: Network, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    heard = threading.Event()
    listener = listening.Listener(engine, heard)
    assert heard.wait(PATIENCE_SECONDS)
    listener.stop()

    assert network.tries == 0
    assert caplog.records == []
