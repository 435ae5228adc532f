"""What a rule says: nothing, no, or how much at most."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

import attrs

from quantmind.domain.orders import Proposal
from quantmind.domain.risk.approval import Reason
from quantmind.domain.risk.state import Situation


@attrs.frozen
class Refusal:
    """No."""

    reason: Reason


class Cap(NamedTuple):
    """At most `volume` lots; the reason is given when that binds, and need not be put into words before."""

    volume: Decimal
    told: Reason | Callable[[], Reason]

    @property
    def reason(self) -> Reason:
        return self.told if isinstance(self.told, Reason) else self.told()


Finding = Refusal | Cap | None
Rule = Callable[[Situation, Proposal], Finding]


def no(
    rule: str,
    message: str,
    limit: Decimal | float | None = None,
    value: Decimal | float | None = None,
) -> Refusal:
    """A refusal with its reason."""
    return Refusal(Reason(rule, message, limit, value))
