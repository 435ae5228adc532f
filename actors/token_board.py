"""The file of tokens as it was last seen, to be read and not asked. It outlives the incarnations of who looks."""

from __future__ import annotations

from typing import Any

import attrs

from quantmind.domain.clock import iso
from quantmind.wire.auth import Authenticator


@attrs.define(eq=False)
class TokenBoard:
    """Written by the actor `tokens`; what is wrong with the file leaves the tokens as they are."""

    authenticator: Authenticator
    file: str = ""
    looked_at: float | None = None
    """When somebody last looked with success (Unix seconds)."""
    changed_at: float | None = None
    """When the tokens last changed (Unix seconds)."""
    error: str | None = None
    """What is wrong with the file now, or None."""
    told: set[str] = attrs.field(factory=set)
    """Keys of tokens of which the record has that they have expired."""
    told_denials: dict[tuple[str, str, str], int] = attrs.field(factory=dict)
    """What the record has of denials."""
    told_at: float | None = None
    """When it was told of them last (monotonic seconds)."""
    seen: bool = False
    """The file was read once; what changes from then on is told."""

    def status(self) -> dict[str, Any]:
        """For /status: names and numbers, no hash."""
        known = self.authenticator.known
        denied: dict[str, int] = {}
        for (via, reason, _name), count in self.authenticator.denials.items():
            denied[f"{via}.{reason}"] = denied.get(f"{via}.{reason}", 0) + count
        return {
            "file": self.file,
            "known": len(known),
            "expired": [identity.name for identity in known if self.authenticator.expired(identity)],
            "looked_at": None if self.looked_at is None else iso(self.looked_at),
            "changed_at": None if self.changed_at is None else iso(self.changed_at),
            "error": self.error,
            "denied": denied,
        }
