"""Workers killed at named points of the path, under load: nothing is lost.

Controls: without the answer after the commit, without one transaction for a record, its message and
its answer, without a lease that ends, and without a note of the claim that ran out, the same deaths
lose and repeat records and messages.
"""

from collections.abc import Callable

from rig import ROUNDS, TRIES, Rig

Make = Callable[..., Rig]
POINTS = (
    *("before-begin", "after-begin"),
    *("before-record-commit", "after-record-commit", "before-answer", "after-answer"),
    *("before-claim-commit", "after-claim-commit", "before-request", "after-request"),
    *("before-settlement-commit", "after-settlement-commit"),
    *("before-seal-commit", "after-seal-commit", "before-checkpoint", "after-checkpoint"),
)


def test_a_death_at_any_point_of_the_path_loses_nothing(make_rig: Make) -> None:
    rig = make_rig("kill-points", "with-a-small-log")
    with rig.load():
        for point in POINTS * ROUNDS:
            rig.wait_for_acknowledged(10)
            rig.kill_at(point)
    verdict = rig.verdict()
    assert verdict.is_valid, verdict
    assert verdict.recovered, verdict  # the deaths were felt
    assert verdict.explained, verdict


def strike(rig: Rig, point: str) -> None:
    with rig.load():
        rig.wait_for_acknowledged(10)
        rig.kill_at(point)


def test_control_an_answer_before_the_commit_is_lost_with_it(make_rig: Make) -> None:
    rig = make_rig("kill-points", "without-answer-after-commit")
    strike(rig, "before-record-commit")
    assert rig.verdict().lost


def test_control_a_message_in_a_transaction_of_its_own_is_lost(make_rig: Make) -> None:
    rig = make_rig("kill-points", "without-one-transaction")
    strike(rig, "after-record-commit")
    verdict = rig.verdict()
    assert verdict.lost & verdict.unpaired, verdict


def test_control_a_request_whose_answer_is_not_kept_is_recorded_again(make_rig: Make) -> None:
    rig = make_rig("kill-points", "without-kept-answers", DEDUPE_SECONDS="0")
    strike(rig, "after-record-commit")
    assert rig.verdict().repeated


def test_control_a_claim_whose_lease_never_ends_is_lost(make_rig: Make) -> None:
    """A claim may have found nothing, if others were faster: one of some has to be lost."""

    def loses() -> bool:
        rig = make_rig("kill-points", OUTBOX_LEASE_SECONDS="3600")
        strike(rig, "after-claim-commit")
        return bool(rig.verdict(drained_within_seconds=4).lost)

    assert any(loses() for _ in range(TRIES))


def test_control_a_repeat_of_which_nothing_is_noted_is_unexplained(make_rig: Make) -> None:
    rig = make_rig("kill-points")
    rig.forget_doubts()
    strike(rig, "after-request")
    assert rig.verdict().unexplained
