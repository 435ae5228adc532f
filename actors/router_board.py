"""What the router knows, to be read and not asked. It outlives the router's incarnations, so a crash loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs

from quantmind.domain.risk.mandate import UNREAD, Mandate
from quantmind.domain.router_state import EaKey, KnownEa, RouterState, TickMark


@attrs.define(eq=False)
class RouterBoard:
    """The router's state as it holds now. Written by the router.

    Until the record was read nobody knows what is mandated, and then nothing may add exposure. `on_cap` hears of each
    cap that is another than before: (before, now).
    """

    on_cap: Callable[[Decimal, Decimal], None] | None = None
    started_at: float | None = None
    """When the router began in this process (Unix seconds)."""
    state: RouterState | None = None
    """None: not read back yet."""
    lasting: bool = False
    """What is kept outlives the process."""
    unsaved: bool = False
    """What holds is not known to be kept."""
    error: str | None = None
    """Why it could not be read or kept last time, or None."""
    eas: dict[EaKey, KnownEa] = attrs.field(factory=dict)
    heard: set[EaKey] = attrs.field(factory=set)
    """The EAs that were heard since the start."""
    ticks: dict[tuple[str, str], TickMark] = attrs.field(factory=dict)
    """By broker and symbol."""

    @property
    def mandate(self) -> Mandate:
        """What is mandated now."""
        return UNREAD if self.state is None else self.state.mandate

    @property
    def durable(self) -> bool:
        """Whether what holds is there after the process was killed."""
        return self.lasting and self.state is not None and not self.unsaved

    def status(self) -> dict[str, Any]:
        """For /status."""
        return {
            "revision": None if self.state is None else self.state.revision,
            "durable": self.durable,
            "error": self.error,
            "mandate": self.mandate.mode.value,
            "max_multiplier": self.mandate.cap,
            "eas": len(self.eas),
            "missing": len(self.eas) - len(self.heard),
        }

    def set(self, state: RouterState) -> None:
        """This holds from now on."""
        before = self.mandate.cap
        self.state = state
        after = self.mandate.cap
        if self.on_cap is not None and after != before:
            self.on_cap(before, after)
