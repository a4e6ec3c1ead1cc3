"""A group to which one request in ten seconds may go, and what goes there."""

from dataclasses import replace
from typing import Any

from bench import POLICY, Bench

from attendance.outbox.rate_limits import Rate, RateLimits
from attendance.outbox.types import Claim
from attendance.telegram.digest import merge

GROUP = "-1"
PACED = replace(POLICY, rate_limits=RateLimits(group=Rate(1, 10)), merge=merge)


def write(bench: Bench, *lines: str, **more: Any) -> list[int]:
    return [bench.enqueue(GROUP, f"{line}, at length", line=line, **more) for line in lines]


def ids(claim: Claim) -> list[int]:
    return [message.id for message in claim.messages]


def next_claim(bench: Bench, seconds: float = 70) -> Claim:
    bench.clock.forward(seconds)
    return bench.claim_one()


def by_hand(bench: Bench, act: Any, chosen: Any) -> None:
    now = bench.clock()
    bench.database.write(lambda c: act(c, now, chosen))
