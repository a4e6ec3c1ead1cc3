"""The disk's power cut under load, again and again: what was acknowledged is there afterwards.

Also while the log is put away again and again: the checkpoint's own syncs have to come in order.
Control: with `synchronous=OFF` it is not. (After `kill -9` it would be: only a power cut tells.) A
backup that was reported is there as well. Control: without a sync of its directory it is not.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from disks import Ext4, ext4
from rig import ROUNDS, Rig

Make = Callable[..., Rig]
CUTS_AT_MOST = 5


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Ext4]:
    with ext4(tmp_path) as disk:
        yield disk


def cut_under_load(rig: Rig, disk: Ext4) -> None:
    """The whole machine, as far as the service can tell."""
    with rig.load():
        rig.wait_for_acknowledged(30)
        disk.cut_power()
        rig.service.kill()
        disk.give_power()
        rig.service.start()


@pytest.mark.parametrize("inside", [(), ("with-a-small-log",)], ids=["long-log", "short-log"])
def test_a_power_cut_loses_nothing(disk: Ext4, make_rig: Make, inside: tuple[str, ...]) -> None:
    rig = make_rig(*inside, folder=disk.place)
    try:
        for _ in range(2 * ROUNDS):
            cut_under_load(rig, disk)
        verdict = rig.verdict()
    finally:
        rig.service.kill()
    assert verdict.is_valid, verdict
    assert verdict.recovered, verdict


def test_control_without_a_sync_it_loses_what_was_acknowledged(disk: Ext4, make_rig: Make) -> None:
    rig = make_rig("without-sync", folder=disk.place)
    try:
        for _ in range(CUTS_AT_MOST):
            cut_under_load(rig, disk)
            if rig.verdict().lost:
                return
    finally:
        rig.service.kill()
    pytest.fail(f"{CUTS_AT_MOST} cuts lost nothing")


def back_up_and_cut(rig: Rig, disk: Ext4) -> Path:
    """To a disk of its own, where no commit of the service syncs what the backup has not."""
    copy = disk.place / "copy.db"
    made = rig.service.manage("db", "backup", str(copy))
    assert made.returncode == 0, made.stderr
    disk.cut_power()
    disk.give_power()
    return copy


def test_a_power_cut_takes_no_backup_that_was_reported(disk: Ext4, make_rig: Make) -> None:
    rig = make_rig()
    with closing(sqlite3.connect(back_up_and_cut(rig, disk))) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("SELECT count(*) FROM api_key").fetchone() == (1,)


def test_control_without_a_sync_of_its_directory_it_does(disk: Ext4, make_rig: Make) -> None:
    rig = make_rig("without-synced-directories")
    assert not back_up_and_cut(rig, disk).exists()
