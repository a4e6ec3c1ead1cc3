"""The audit trail: who did what, when, from where, with what outcome.

May import `outbox`, `models`, `db`, `config`. The tables refuse UPDATE and DELETE in the database
itself; `trail.Entry` is the only code that writes `audit`, and `seals.append` what seals it.
"""

from attendance.audit.seals import AuditLeaf, AuditSeal
from attendance.audit.trail import (
    ANONYMOUS,
    Actor,
    AuditEntry,
    Context,
    Entry,
    append,
    entry,
    service_context,
)

__all__ = [
    "ANONYMOUS",
    "Actor",
    "AuditEntry",
    "AuditLeaf",
    "AuditSeal",
    "Context",
    "Entry",
    "append",
    "entry",
    "service_context",
]
