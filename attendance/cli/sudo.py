"""Who called sudo, for the trail. SUDO_USER is a variable that anybody can set: it is believed only
where sudo stands among the processes that led here, which Linux shows under /proc."""

import pwd
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path

_LONGEST_NAME = 64
_MOST_ANCESTORS = 1000


@dataclass(frozen=True, slots=True)
class Process:
    """What /proc tells everybody of a process: its name, its parent, and whose it is."""

    name: str
    parent: int
    real_uid: int
    effective_uid: int

    @property
    def is_sudo(self) -> bool:
        return self.name == "sudo" and self.effective_uid == 0


def caller(environ: Mapping[str, str], parent: int, proc: Path = Path("/proc")) -> str | None:
    """Return whom SUDO_USER names, cleaned, where sudo is among the processes from `parent` up;
    otherwise None."""
    claimed = _clean(environ.get("SUDO_USER", ""))
    from_sudo = list(dropwhile(lambda one: not one.is_sudo, _upwards(parent, proc)))
    if not claimed or not from_sudo:
        return None
    # Any program of root's can be called by a name that a user chose: whoever called is to fit.
    above = next((one for one in from_sudo if not one.is_sudo), None)
    fits = above is None or above.real_uid in {0, _uid_of(claimed)}
    return claimed if fits else None


def _upwards(pid: int, proc: Path) -> Iterator[Process]:
    """Yield that process, its parent, and so on."""
    for _ in range(_MOST_ANCESTORS):
        found = _process(proc / str(pid)) if pid > 0 else None
        if found is None:
            return
        yield found
        pid = found.parent


def _process(folder: Path) -> Process | None:
    try:
        text = (folder / "status").read_text(encoding="utf-8", errors="replace")
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        real, effective, *_ = fields["Uid"].split()
        return Process(fields["Name"].strip(), int(fields["PPid"]), int(real), int(effective))
    except (OSError, KeyError, ValueError):
        return None


def _uid_of(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _clean(name: str) -> str:
    """Return the name without what cannot be printed, of a bounded length."""
    return "".join(one for one in name if one.isprintable())[:_LONGEST_NAME].strip()
