"""Whoever sent a request, and from where, as the audit trail writes it."""

import re

from flask import Request, g

from attendance import audit
from attendance.config.secrets import redact
from attendance.config.terminal import harmless
from attendance.web.client_ip import client_address
from attendance.web.services import Services

_TRACEPARENT = re.compile("[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_LONGEST_USER_AGENT = 256


def audit_context(asked: Request, made: Services, actor: audit.Actor) -> audit.Context:
    """Return the context of what the request `asked` does in the name of `actor`."""
    headers, trusted = asked.headers, made.settings.trusted_proxies
    return audit.Context(
        actor=actor,
        request_id=g.request_id,
        source_ip=client_address(asked.remote_addr, headers.get("X-Forwarded-For"), trusted),
        user_agent=harmless(redact(headers.get("User-Agent", "")))[:_LONGEST_USER_AGENT] or None,
        trace_id=_trace_id(headers.get("Traceparent")),
    )


def _trace_id(traceparent: str | None) -> str | None:
    """Return the trace that a W3C `traceparent` names."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    return found[1] if found else None
