"""Takes away what protects several hosts on one PostgreSQL, for the controls."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from attendance.db import PostgresDatabase, Unavailable, utc_now
from attendance.db.fast import prepared
from attendance.db.postgres import engine
from attendance.db.postgres.unit import Unit
from attendance.outbox import lanes, rate_limiter
from attendance.outbox.rate_limits import Rate, RateLimits


def synchronous_commit() -> None:
    """Leave it to the server's setting when commits reach the disk."""
    settings, cut, _ = engine._SETTINGS.partition("set_config('synchronous_commit'")
    assert cut
    engine._SETTINGS = settings.rstrip().removesuffix(",")


def word_of_a_lost_commit() -> None:
    """Take a commit whose answer was lost for one that was written."""
    commit = Unit._commit

    def hopeful(unit: "Unit[Any]", *given: Any) -> None:
        try:
            commit(unit, *given)
        except Unavailable:
            return

    Unit._commit = hopeful  # type: ignore[method-assign, assignment]


def clock_of_the_server() -> None:
    """Go by the host's own clock."""
    PostgresDatabase.clock = lambda _: utc_now()  # type: ignore[method-assign, assignment]


def shared_pace() -> None:
    """Count the starts of this process alone."""
    mine: list[tuple[datetime, str]] = []

    def latest(_: Connection, rate: Rate | None, lane: str | None = None) -> list[datetime]:
        counted = sorted((at for at, its in mine if lane in {None, its}), reverse=True)
        return counted[: rate.count] if rate else []

    def debit(_: Connection, __: RateLimits, lane: str, starts_at: datetime) -> int:
        mine.append((starts_at, lane))
        return len(mine)

    rate_limiter.latest, rate_limiter.consume = latest, debit  # type: ignore[assignment]


def order_of_ids() -> None:
    """Have the youngest message head its lane."""
    form = prepared._Form(lanes._locked_due_heads._statement, (), prepared._DIALECTS["postgresql"])
    assert "min(" in form.sql
    form.sql = form.sql.replace("min(", "max(")
    lanes._locked_due_heads._forms["postgresql"] = form


def end_of_stalled_transactions(after: str = "0") -> None:
    """Let a transaction in which nothing happens stand for as long as its host does."""
    name = "'idle_in_transaction_session_timeout', "
    usual = f"{name}'{engine._STALLED_SECONDS}s'"
    assert usual in engine._SETTINGS
    engine._SETTINGS = engine._SETTINGS.replace(usual, f"{name}'{after}'")


REMOVALS: dict[str, Callable[[], None]] = {
    "without-synchronous-commit": synchronous_commit,
    "without-word-of-a-lost-commit": word_of_a_lost_commit,
    "without-the-server-s-clock": clock_of_the_server,
    "without-a-shared-pace": shared_pace,
    "without-order-of-ids": order_of_ids,
    "without-end-of-stalled-transactions": end_of_stalled_transactions,
    # No protection less: a test need not wait for ten seconds.
    "with-a-soon-end-of-stalled-transactions": lambda: end_of_stalled_transactions("1s"),
}
