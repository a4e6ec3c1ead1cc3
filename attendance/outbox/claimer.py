"""Claim for one dispatcher: on its terms, and as early as its commits take."""

from sqlalchemy import Connection

from attendance.outbox import claim as claims
from attendance.outbox import rate_limiter
from attendance.outbox.dependencies import Dependencies
from attendance.outbox.rate_limits import Lead
from attendance.outbox.types import Claim


class Claimer:
    """What the dispatcher's rounds and its senders claim through. `lead` is learnt from each
    delivery."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._deps = dependencies
        self.lead = Lead()

    def claim(self, connection: Connection, limit: int, *, patient: bool = True) -> list[Claim]:
        """Claim up to `limit` that are due and may start now, or in a moment; none if somebody else
        is claiming and we are not `patient`."""
        if not rate_limiter.lock(connection, self._deps.policy.rate_limits, patient=patient):
            return []
        terms = claims.Terms(
            claimed_by=self._deps.name,
            new_token=self._deps.new_token,
            policy=self._deps.policy,
            on_outcome=self._deps.on_outcome,
            lead=self.lead.time,
        )
        # The time is taken when the unit runs: a lease that began while it waited for the lock
        # would be shorter than the delivery that it has to cover.
        return claims.claim(connection, self._deps.clock(), limit, terms)
