"""The audit trail: who did what, when, from where, with what outcome.

A library on the database: it imports `db`, and from `config` the secrets alone. The tables refuse
UPDATE and DELETE in the database itself; `trail.Entry` is the only code that writes `audit`, and
`seals.append` the only code that seals it.
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
