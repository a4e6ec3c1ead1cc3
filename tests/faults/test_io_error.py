"""Syncs that fail with EIO, injected by strace: what could not be synced was not acknowledged.

Control: an answer that does not wait for the commit is lost where the sync fails.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from rig import ROUNDS, Rig, until

Make = Callable[..., Rig]

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is missing: apt install strace"
)


@contextmanager
def failing_syncs(rig: Rig) -> Iterator[None]:
    """No worker can sync a file while this is entered."""
    with ExitStack() as stack:
        for pid in rig.service.worker_pids():
            stack.enter_context(injected(pid))
        yield


@contextmanager
def injected(pid: int) -> Iterator[None]:
    command = ["strace", "-f", "-p", str(pid), "-e", "trace=fsync,fdatasync"]
    command += ["-e", "inject=fsync,fdatasync:error=EIO", "-o", "/dev/null"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr
        said = strace.stderr.readline()
        if "attached" not in said:
            pytest.skip(f"strace may not attach here ({said.strip()}): allow ptrace")
        try:
            yield
        finally:
            strace.terminate()


def strike(rig: Rig) -> None:
    rig.wait_for_acknowledged(10)
    refused, answered = rig.ledger.count(503), rig.ledger.acknowledged
    with failing_syncs(rig):
        until(
            lambda: rig.ledger.count(503) > refused + 5 or rig.ledger.acknowledged > answered + 50,
            "syncs fail",
        )
        time.sleep(0.5)
    rig.wait_for_acknowledged(10)


def test_syncs_that_fail_lose_nothing(make_rig: Make) -> None:
    rig = make_rig()
    with rig.load():
        for _ in range(ROUNDS):
            strike(rig)
    verdict = rig.verdict()
    assert rig.ledger.count(503) > 0
    assert verdict.is_valid, verdict


def test_control_an_answer_before_the_commit_is_lost_where_the_sync_fails(
    make_rig: Make,
) -> None:
    rig = make_rig("without-answer-after-commit")
    with rig.load():
        strike(rig)
    assert rig.verdict().lost
