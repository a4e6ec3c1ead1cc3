"""Which tests run beside which others."""

import threading
from pathlib import Path

import pytest
import taking_turns
from taking_turns import Kind, turn

SOON = 10.0


@pytest.fixture(autouse=True)
def house_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {name: tmp_path / name for name in ("door", "crowd", "calm", "alone")}
    for place in places.values():
        place.touch()
    monkeypatch.setattr(taking_turns, "_DOOR", places.pop("door"))
    monkeypatch.setattr(taking_turns, "_ROOMS", places)


class Guest:
    """Somebody who comes in a thread of his own, and stays until he is told to leave."""

    def __init__(self, kind: Kind) -> None:
        self.is_in, self._leaves = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._visit, args=(kind,), daemon=True)
        self._thread.start()

    def _visit(self, kind: Kind) -> None:
        with turn(kind):
            self.is_in.set()
            self._leaves.wait()

    def leave(self) -> None:
        self._leaves.set()
        self._thread.join()


@pytest.mark.parametrize("kind", ["crowd", "calm"])
def test_those_of_a_kind_run_beside_each_other(kind: Kind) -> None:
    guests = [Guest(kind) for _ in range(2)]
    assert all(guest.is_in.wait(SOON) for guest in guests)
    for guest in guests:
        guest.leave()


@pytest.mark.parametrize(
    ("kind", "other"),
    [("alone", "crowd"), ("alone", "calm"), ("calm", "crowd"), ("crowd", "calm")],
)
def test_those_who_wait_until_another_kind_has_left_are_not_overtaken(
    kind: Kind, other: Kind
) -> None:
    first = Guest(other)
    assert first.is_in.wait(SOON)
    waiting = Guest(kind)
    assert not waiting.is_in.wait(0.2)
    late = Guest(other)
    assert not late.is_in.wait(0.2)
    first.leave()
    assert waiting.is_in.wait(SOON)
    assert not late.is_in.wait(0.2)
    waiting.leave()
    assert late.is_in.wait(SOON)
    late.leave()


def test_two_who_are_to_be_alone_run_one_after_the_other() -> None:
    first = Guest("alone")
    assert first.is_in.wait(SOON)
    second = Guest("alone")
    assert not second.is_in.wait(0.2)
    first.leave()
    assert second.is_in.wait(SOON)
    second.leave()
