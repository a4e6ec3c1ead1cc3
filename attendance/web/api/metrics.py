"""`/metrics`: the state of outbox and trail at the moment of the scrape, as Prometheus text.

Everything is read from the database, so that it does not matter which worker is asked.
"""

from collections.abc import Iterator

from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from attendance.audit.stats import seal_stats
from attendance.outbox import heartbeat, queries
from attendance.web.auth import reader
from attendance.web.client_ip import is_local
from attendance.web.services import Services, services

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def metrics() -> Response:
    """For whoever asks from this machine itself, and for admins."""
    local = is_local(request.remote_addr, request.headers)
    return _for_this_machine() if local else _for_admins()


def _scraped() -> Response:
    registry = CollectorRegistry()
    registry.register(_Gauges(services()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


_for_this_machine = reader()(_scraped)
_for_admins = reader("admin")(_scraped)


class _Gauges(Collector):
    def __init__(self, made: Services) -> None:
        now = made.clock()
        with made.database.snapshot() as connection:
            self._outbox = queries.stats(connection, now)
            self._audit = seal_stats(connection, now)
        beats = heartbeat.last_beats(made.database).values()
        self._beat_age = min(((now - at).total_seconds() for at in beats), default=None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from self._of_outbox()
        yield _gauge(
            "dispatcher_heartbeat_age_seconds",
            "Since a dispatcher last gave a sign of life; none where there is none.",
            self._beat_age,
        )
        yield _gauge(
            "audit_unsealed_rows",
            "Rows of the audit trail that wait for their seal.",
            self._audit.unsealed_rows,
        )
        yield _gauge(
            "audit_last_seal_age_seconds",
            "Since the newest seal; a service in which nothing happens makes none.",
            self._audit.last_seal_age_seconds,
        )

    def _of_outbox(self) -> Iterator[GaugeMetricFamily]:
        counted = GaugeMetricFamily("outbox_messages", "Messages by status.", labels=["status"])
        for status, count in self._outbox.counts.items():
            counted.add_metric([status], count)
        yield counted
        yield _gauge(
            "outbox_oldest_due_age_seconds",
            "How long the oldest message that may go out has been due; 0 where none is.",
            self._outbox.oldest_due_age_seconds or 0.0,
        )
        yield _gauge(
            "outbox_sent_last_hour", "Messages sent in the last hour.", self._outbox.sent_last_hour
        )
        yield _gauge(
            "outbox_parked_chats", "Chats that refuse us or are paused.", self._outbox.parked_chats
        )
        yield _gauge(
            "outbox_stopped",
            "1 while nothing goes out to anybody.",
            int(self._outbox.stopped is not None),
        )


def _gauge(name: str, help_text: str, value: float | None) -> GaugeMetricFamily:
    """Make a gauge, without a sample where there is no value."""
    family = GaugeMetricFamily(name, help_text)
    if value is not None:
        family.add_metric([], value)
    return family
