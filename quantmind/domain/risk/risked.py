"""What a proposal puts at risk, once it is approved: held until an account sample shows what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from quantmind.domain.orders import Modify, Open, Proposal
from quantmind.domain.risk.rules.cost import cost_of
from quantmind.domain.risk.state import Reservation, Situation, StopChange
from quantmind.domain.risk.worst import moves
from quantmind.domain.risk.worth import ZERO, Worth


@attrs.frozen
class Risked:
    """What an order may lose to its stop (0 or less) and takes as margin, in money of the account; what it moves.

    `worst`, `margin` and `moves` are None where they are not known: until it is settled nobody may count on them.
    """

    worst: Decimal | None = None
    sl: Decimal | None = None
    moves: tuple[tuple[str, Decimal], ...] | None = None
    margin: Decimal | None = None
    change: StopChange | None = None
    worth: Worth | None = None
    """What its symbol is worth; not stored, since prices tell it."""

    @classmethod
    def held_by(cls, reservation: Reservation) -> Risked:
        """What is held of an order: every field here has its namesake there, so that none can be left behind."""
        return cls(**{field.name: getattr(reservation, field.name) for field in attrs.fields(cls)})

    def stored(self) -> dict[str, Any]:
        """As plain values, for the record."""
        return {
            "worst": None if self.worst is None else str(self.worst),
            "sl": None if self.sl is None else str(self.sl),
            "moves": None if self.moves is None else [[name, str(amount)] for name, amount in self.moves],
            "margin": None if self.margin is None else str(self.margin),
            "change": None if self.change is None else {"ticket": self.change.ticket, "sl": _text(self.change.sl)},
        }

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any] | None) -> Risked:
        """Back from the record; of what an earlier version wrote nothing is known."""
        if not stored:
            return cls()
        moved, changed = stored.get("moves"), stored.get("change")
        return cls(
            worst=_number(stored.get("worst")),
            sl=_number(stored.get("sl")),
            moves=None if moved is None else tuple((name, Decimal(amount)) for name, amount in moved),
            margin=_number(stored.get("margin")),
            change=None if changed is None else StopChange(int(changed["ticket"]), _number(changed["sl"])),
        )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _number(stored: str | None) -> Decimal | None:
    return None if stored is None else Decimal(stored)


NOTHING = Risked(worst=ZERO, moves=(), margin=ZERO)


def risked_by(situation: Situation, proposal: Proposal) -> Risked:
    """What this proposal puts at risk where it stands in this situation."""
    if not isinstance(proposal, Open | Modify):
        return NOTHING
    worth = situation.market.worth
    if isinstance(proposal, Modify):
        return _by_change(situation, proposal, worth)
    cost = cost_of(situation, proposal)
    worst = None if isinstance(cost, str) else -(cost.fixed + cost.a_lot * proposal.volume)
    if worth is None or situation.sample is None:
        return Risked(worst, proposal.sl)
    signed = proposal.volume * (1 if proposal.side is None else proposal.side.sign)
    margin = worth.margin_of_a_lot(situation.sample.account.leverage)
    needed = None if margin is None else margin * proposal.volume
    return Risked(worst, proposal.sl, moves(worth, signed), needed, None, worth)


def _by_change(situation: Situation, proposal: Modify, worth: Worth | None) -> Risked:
    """A stop that comes is counted by what is open then; a new price of a pending order by what it costs now."""
    change = None if proposal.new_sl is None else StopChange(proposal.ticket, proposal.new_sl or None)
    worst: Decimal | None = ZERO
    if proposal.new_price is not None:
        cost = cost_of(situation, proposal)
        worst = None if isinstance(cost, str) else -cost.fixed
    return Risked(worst, proposal.new_sl or None, (), ZERO, change, worth)
