"""Whatever happens, in whatever order: order and limits hold, nothing is lost or stuck."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from model import LEADS, Model

from attendance.outbox import admin
from attendance.outbox.transport import (
    Delivered,
    Migrated,
    Misconfigured,
    Outcome,
    Parked,
    Postponed,
    Rejected,
    Retry,
    Uncertain,
)

CHATS = st.sampled_from(["-3", "-4", "1"])
GROUPS = st.sampled_from(["-3", "-4", "-5", "-6"])
WORKERS = st.sampled_from(sorted(LEADS))
OUTCOMES = st.one_of(
    st.integers(1, 999).map(Delivered),
    st.just(Uncertain("reset")),
    st.sampled_from([Retry("refused"), Rejected("no")]),
    st.sampled_from([Postponed(3, "429"), Postponed(40, "429")]),
    st.sampled_from([Parked("blocked"), Misconfigured("401")]),
    GROUPS.map(lambda chat: Migrated(chat, "moved")),
)


class Outbox(RuleBasedStateMachine):
    """Several who write, claim and send, people who interfere, and a Telegram of bad temper."""

    @initialize(uncertain=st.sampled_from(["retry", "hold"]))
    def begin(self, uncertain: str) -> None:
        self.model = Model(uncertain)

    @rule(chat=CHATS, count=st.integers(1, 6), topic=st.sampled_from([None, None, None, 7]))
    def write(self, chat: str, count: int, topic: int | None) -> None:
        for _ in range(count):
            line = f"line {len(self.model.written)}"
            message = self.model.enqueue(chat, line.upper(), line=line, thread_id=topic)
            self.model.written.add(message)

    @rule(chat=CHATS, outcome=OUTCOMES, seconds=st.sampled_from([0.0, 21.0, 70.0]))
    def write_send_and_wait(self, chat: str, outcome: Outcome, seconds: float) -> None:
        """Enough for a digest, of which the end is known or, where the lease runs out, is not."""
        self.write(chat, 4, None)
        for claim in self.model.take("prompt", 99):
            if seconds < 70:
                self.model.end(claim, outcome)
        self.wait(seconds)

    @rule(chat=CHATS)
    def write_without_a_line(self, chat: str) -> None:
        self.model.written.add(self.model.enqueue(chat, "a report"))

    @rule(seconds=st.sampled_from([0.01, 0.2, 1.0, 3.0, 21.0, 70.0, 1900.0]))
    def wait(self, seconds: float) -> None:
        """The longest two end leases, and twice the last one gives messages up."""
        self.model.clock.forward(seconds)
        self.model.probe_bot()

    @rule(by=WORKERS, limit=st.sampled_from([1, 99, 99]))
    def claim(self, by: str, limit: int) -> None:
        self.model.take(by, limit)

    @precondition(lambda self: self.model.under_way)
    @rule(data=st.data(), outcome=OUTCOMES)
    def settle(self, data: st.DataObject, outcome: Outcome) -> None:
        """Sooner or later: where the lease is over, what was claimed may have been claimed anew."""
        self.model.end(data.draw(st.sampled_from(self.model.under_way)), outcome)

    @rule(by=WORKERS, outcome=OUTCOMES)
    def claim_and_settle(self, by: str, outcome: Outcome) -> None:
        for claim in self.model.take(by, 99):
            self.model.end(claim, outcome)

    @precondition(lambda self: self.model.under_way)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        self.model.give_back(data.draw(st.sampled_from(self.model.under_way)))

    @precondition(lambda self: self.model.written)
    @rule(data=st.data(), again=st.booleans())
    def change_one_by_hand(self, data: st.DataObject, *, again: bool) -> None:
        message = data.draw(st.sampled_from(sorted(self.model.written)))
        if again:
            self.model.by_person(lambda c, now: admin.retry(c, now, admin.Filter(ids=[message])))
        else:
            self.model.by_person(lambda c, now: admin.cancel(c, now, [message]))

    @rule()
    def retry_all(self) -> None:
        self.model.by_person(lambda c, now: admin.retry(c, now, admin.Filter()))

    @rule(chat=CHATS, again=st.booleans())
    def pause_or_resume(self, chat: str, *, again: bool) -> None:
        (self.model.resume if again else self.model.pause)(chat)

    @rule(accepted=st.booleans())
    def probe(self, *, accepted: bool) -> None:
        self.model.probe_chat(accepted=accepted)
        self.model.probe_bot()

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "model"):
            self.model.check()

    def teardown(self) -> None:
        """Once all goes well, everything that may be sent is sent."""
        if hasattr(self, "model"):
            send_the_rest(self.model)


def send_the_rest(model: Model) -> None:
    for claim in list(model.under_way):
        model.end(claim, Delivered(1))
    for _ in range(400):
        due = model.next_due()
        if due is None or not waiting(model):
            break
        model.clock.now = max(model.clock.now, due) + timedelta(milliseconds=1)
        model.probe_bot()
        for claim in model.take("usual", 99):
            model.end(claim, Delivered(1))
        model.check()
    assert waiting(model) == []


def waiting(model: Model) -> list[int]:
    parked = {name for name, chat in model.chats().items() if chat["parked_at"] is not None}
    return [
        message
        for message, row in model.rows().items()
        if row["status"] in {"pending", "sending"} and row["lane"] not in parked
    ]


TestOutbox = pytest.mark.slow(Outbox.TestCase)
TestOutbox.settings = settings(
    max_examples=40,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
