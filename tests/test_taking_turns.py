"""What is marked `alone` runs while nothing else does."""

import threading
from pathlib import Path

import pytest
import taking_turns
from taking_turns import turn

SOON = 10.0


@pytest.fixture(autouse=True)
def house_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "door").touch()
    monkeypatch.setattr(taking_turns, "_DOOR", tmp_path / "door")
    monkeypatch.setattr(taking_turns, "_ROOM", tmp_path)


class Guest:
    """Somebody who comes in a thread of his own, and stays until he is told to leave."""

    def __init__(self, *, alone: bool) -> None:
        self.is_in, self._leaves = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._visit, kwargs={"alone": alone}, daemon=True)
        self._thread.start()

    def _visit(self, *, alone: bool) -> None:
        with turn(alone=alone):
            self.is_in.set()
            self._leaves.wait()

    def leave(self) -> None:
        self._leaves.set()
        self._thread.join()


def test_others_run_beside_each_other() -> None:
    guests = [Guest(alone=False) for _ in range(2)]
    assert all(guest.is_in.wait(SOON) for guest in guests)
    for guest in guests:
        guest.leave()


def test_who_is_to_be_alone_waits_for_the_room_and_nobody_overtakes_him() -> None:
    first = Guest(alone=False)
    assert first.is_in.wait(SOON)
    alone = Guest(alone=True)
    assert not alone.is_in.wait(0.2)
    late = Guest(alone=False)
    assert not late.is_in.wait(0.2)
    first.leave()
    assert alone.is_in.wait(SOON)
    assert not late.is_in.wait(0.2)
    alone.leave()
    assert late.is_in.wait(SOON)
    late.leave()
