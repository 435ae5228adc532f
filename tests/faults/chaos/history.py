"""The history of a run: what was asked, what was answered, when the gateway was killed and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from faults.chaos.records import Appender


@attrs.define(eq=False)
class History:
    """Writes the history; one process writes, so its lines are in the order of what it saw.

    Kinds: `run`, `start`, `kill`, `ask`, `answer`, `settled`, `final`, `view`, `note`.
    """

    path: Path
    round: int = 0
    site: str = ""
    _file: Appender = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._file = Appender(self.path)

    def write(self, kind: str, **fields: Any) -> None:
        """One event, with the round and the site that is armed in it."""
        self._file.write({"kind": kind, "round": self.round, "site": self.site, **fields})

    def close(self) -> None:
        self._file.close()
