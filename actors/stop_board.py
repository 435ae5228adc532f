"""Whether the STOP file is there, to be read and not asked. It outlives the incarnations of the actor that looks."""

from __future__ import annotations

from typing import Any

import attrs

from quantmind.domain.clock import iso


@attrs.define(eq=False)
class StopBoard:
    """The STOP file as it was last seen. Written by the actor `stop_file`; nothing is released while it is there."""

    path: str = ""
    there: bool = False
    line: str = ""
    """Its first line, while it is there."""
    since: float | None = None
    """When it was first seen (Unix seconds), while it is there."""
    looked_at: float | None = None
    """When somebody last looked with success (Unix seconds)."""
    error: str | None = None
    """Why it could not be looked for, or why the governor did not do what it asks; None: all is well."""
    asked: str | None = None
    """The first line that the governor has halted all accounts for, while it is there."""

    @property
    def reason(self) -> str:
        """Why trading is halted, in the words of the file if it has any."""
        return self.line or "the file STOP is there"

    @property
    def flatten(self) -> bool:
        """Whether it asks for positions to be closed, too."""
        return self.there and self.line.casefold().startswith("flatten")

    def status(self) -> dict[str, Any]:
        """For /status."""
        return {
            "path": self.path,
            "there": self.there,
            "reason": self.reason if self.there else None,
            "flatten": self.flatten,
            "since": None if self.since is None else iso(self.since),
            "looked_at": None if self.looked_at is None else iso(self.looked_at),
            "error": self.error,
        }
