"""Report what a verification found, in words that a person and a program can use."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Name = Literal[
    "row_modified",
    "row_missing",
    "leaf_missing",
    "seal_broken",
    "fork",
    "truncated",
    "mac_invalid",
    "unsealed_old",
]
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that cannot be so in a trail that nobody touched."""

    name: Name
    detail: str


@dataclass(slots=True)
class Report:
    """`rows` and `seals` were recomputed, `unsealed` rows wait for their seal, `overdue` of them
    for too long; `head` is the newest seal; `macs_unchecked`, `anchors_uncovered` (before the first
    seal) and `anchors_beyond` (after the last) could not be looked at."""

    rows: int = 0
    seals: int = 0
    unsealed: int = 0
    overdue: int = 0
    head: dict[str, Any] | None = None
    pruned: dict[str, Any] | None = None
    macs_checked: int = 0
    macs_unchecked: int = 0
    anchors_matched: int = 0
    anchors_uncovered: int = 0
    anchors_beyond: int = 0
    counts: Counter[Name] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        return not self.counts

    def add(self, name: Name, detail: str) -> None:
        """Count a finding, and keep it if it is one of the first 100."""
        self.counts[name] += 1
        if len(self.findings) < _SHOWN:
            self.findings.append(Finding(name, detail))

    def as_dict(self) -> dict[str, Any]:
        return {"intact": self.intact, **asdict(self), "counts": dict(self.counts)}
