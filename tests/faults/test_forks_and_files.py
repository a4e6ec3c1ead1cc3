"""TRAPS 1 to 3 in the whole service: commands beside it that open and close its database.

Whoever closes a database as the last puts its log away. A worker whose locks were lost, by a fork
or by a plain close() of the file, is overlooked, writes on into a log that is gone, and
acknowledges what nobody will find. Controls: both, and then all processes killed.
"""

from collections.abc import Callable

import pytest
from rig import ROUNDS, TRIES, Rig

Make = Callable[..., Rig]
LIST, CHECK = ("outbox", "list"), ("db", "check")


def use_commands(rig: Rig, *commands: tuple[str, ...]) -> None:
    """Beside the service under load; then kill it, and start it again."""
    for command in commands:
        rig.wait_for_acknowledged(10)
        rig.service.manage(*command)
    rig.wait_for_acknowledged(30)
    rig.service.kill()
    rig.service.start()


def test_commands_beside_the_service_lose_nothing(make_rig: Make) -> None:
    rig = make_rig()
    with rig.load():
        for number in range(ROUNDS):
            backup = rig.service.database.with_name(f"copy-{number}.db")
            made = rig.service.manage("db", "backup", str(backup))
            assert made.returncode == 0, made.stderr
            use_commands(rig, LIST, CHECK)
    verdict = rig.verdict()
    assert verdict.is_valid, verdict


def test_control_a_plain_read_of_the_file_in_a_worker_loses_commits(make_rig: Make) -> None:
    """Whether a read falls beside a commit is chance: one of some services has to lose commits."""

    def loses() -> bool:
        rig = make_rig("without-closed-files")
        with rig.load():
            use_commands(rig, LIST)
        return bool(rig.verdict(drained_within_seconds=3).lost)

    assert any(loses() for _ in range(TRIES))


def test_a_preloaded_application_does_not_start_and_one_sentence_says_why(make_rig: Make) -> None:
    with pytest.raises(AssertionError, match=r"Error: --preload .* is refused") as refused:
        make_rig(GUNICORN_CMD_ARGS="--preload")
    assert "Traceback" not in str(refused.value)


def test_control_a_preloaded_application_loses_commits(make_rig: Make) -> None:
    rig = make_rig("without-fork-guards", GUNICORN_CMD_ARGS="--preload")
    with rig.load():
        use_commands(rig, LIST)
    assert rig.verdict(drained_within_seconds=3).lost
