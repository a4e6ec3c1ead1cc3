"""The steps of a move. The power may go after any of them."""

import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from attendance import audit
from attendance.config.secrets import Secret
from attendance.db import Database
from attendance.relocation import source, target
from attendance.relocation.comparing import Compared, compare
from attendance.relocation.copying import copy
from attendance.relocation.errors import CannotMove
from attendance.relocation.tables import count, is_empty

Bar = Callable[[str, int], AbstractContextManager[Callable[[int], object]]]
"""Shows progress: it is called with a label and the number of all rows, and what it yields with
the number of rows done since the last call."""


@dataclass(frozen=True, slots=True)
class Move:
    """One move: from where, to where, and by whom. `key` signs the seals of the trail."""

    source: Database
    target: Database
    target_url: str
    context: audit.Context
    key: Secret | None

    def run(self, bar: Bar) -> Sequence[Compared]:
        """Move everything, or go on where another run was interrupted; return what was compared,
        nothing if all was done before.

        Raises:
            CannotMove: something is in the way; nobody works on either database because of it.
            DatabaseError: one of the two cannot be used.
        """
        standing = source.standing_mark(self.source)
        there = target.prepare(self.target, self.target_url, standing.move if standing else None)
        if there is not None and there.state == "arrived":
            return []
        if standing is not None and standing.state == "moved" and there is None:
            raise CannotMove(
                f"The database {self.source.name} has moved to {standing.place}, where this is "
                "another one. `manage.py db move --cancel` tells of the way back."
            )
        new, place = secrets.token_hex(16), self.target.name
        return self._carry_out(source.close(self.source, self.context, self.key, place, new), bar)

    def _carry_out(self, move: str, bar: Bar) -> Sequence[Compared]:
        here = f"{self.source.name} on {socket.gethostname()}"
        target.reserve(self.target_url, self.target.clock(), move, here)
        compared = self._bring(bar)
        source.finish(self.source, move)
        sums = {one.table: {"rows": one.rows, "sha256": one.sha256} for one in compared}
        found = {"place": here, "move": move, "tables": sums}
        target.open_(self.target_url, self.target.clock(), self.context, move, found)
        return compared

    def _bring(self, bar: Bar) -> Sequence[Compared]:
        """Copy and compare all rows, in one transaction: all are there, or none."""
        with (
            self.source.snapshot() as here,
            Database.upgrading(self.target_url, None) as there,
        ):
            target.refuse_opened(there)
            total = count(here)
            # If it is not, an earlier run has copied everything: comparing is left to do.
            if is_empty(there):
                with bar("Copying", total) as progress:
                    copy(here, there, progress)
            with bar("Comparing", total) as progress:
                return compare(here, there, progress)
