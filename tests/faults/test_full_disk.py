"""A disk that fills up under load, and has space again: nothing that was acknowledged is lost.

Control: an answer that does not wait for the commit says yes to what the disk has no room for.
"""

from collections.abc import Callable
from pathlib import Path

from disks import fill, tmpfs
from rig import ROUNDS, Rig, until

Make = Callable[..., Rig]


def fill_and_free(rig: Rig) -> None:
    """Fill what is left, until a client was refused for it, or answered all the same."""
    rig.wait_for_acknowledged(10)
    filler = rig.service.database.parent / "filler"
    refused, answered = rig.ledger.count(503), rig.ledger.acknowledged
    fill(filler)
    until(
        lambda: rig.ledger.count(503) > refused + 5 or rig.ledger.acknowledged > answered + 200,
        "the disk is felt to be full",
    )
    filler.unlink()
    rig.wait_for_acknowledged(10)


def test_a_full_disk_loses_nothing(tmp_path: Path, make_rig: Make) -> None:
    with tmpfs(tmp_path / "small", "6m") as place:
        rig = make_rig(folder=place)
        with rig.load():
            for _ in range(ROUNDS):
                fill_and_free(rig)
        verdict = rig.verdict()
        rig.service.kill()
    assert rig.ledger.count(503) > 0
    assert verdict.is_valid, verdict


def test_control_an_answer_before_the_commit_is_lost_with_the_space(
    tmp_path: Path, make_rig: Make
) -> None:
    with tmpfs(tmp_path / "small", "6m") as place:
        rig = make_rig("without-answer-after-commit", folder=place)
        with rig.load():
            fill_and_free(rig)
        verdict = rig.verdict()
        rig.service.kill()
    assert verdict.lost, verdict
