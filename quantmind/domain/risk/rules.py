"""Rules for whatever adds exposure: each looks at the situation and says nothing, no, or how much.

Source of the rules and their names: docs/risk.md.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal

import attrs

from quantmind.domain.orders import Open, Proposal
from quantmind.domain.risk.approval import Reason
from quantmind.domain.risk.state import Situation, TradingState


@attrs.frozen
class Refusal:
    """No."""

    reason: Reason


@attrs.frozen
class Cap:
    """At most `volume` lots; the reason is given when that binds."""

    volume: Decimal
    reason: Reason


Finding = Refusal | Cap | None
Rule = Callable[[Situation, Proposal], Finding]


def trading_state(situation: Situation, proposal: Proposal) -> Finding:
    """Halted or reduce-only, and the order adds exposure."""
    del proposal
    if situation.state is TradingState.ACTIVE:
        return None
    return Refusal(
        Reason(
            "trading_state",
            f"trading is {situation.state.value} ({situation.state_cause}): only what reduces risk passes until "
            "an admin sets the state to active",
        )
    )


def recorded(situation: Situation, proposal: Proposal) -> Finding:
    """The durable record can't be written or has not been read back yet."""
    del proposal
    if situation.blocked is None:
        return None
    return Refusal(Reason("journal", f"{situation.blocked}; nothing new is opened until it works again"))


def no_unknown(situation: Situation, proposal: Proposal) -> Finding:
    """An order of the same EA, magic and symbol is unknown, or one of the account for too long."""
    symbol = getattr(proposal, "symbol", None)
    for order in situation.unknowns:
        age = situation.now - order.since
        same = (order.ea_name, order.magic) == (proposal.origin.ea_name, proposal.origin.magic)
        # A symbol that isn't known, of the order or of what is asked, may be the same one.
        if same and (not symbol or not order.symbol or order.symbol == symbol):
            return Refusal(
                Reason(
                    "no_unknown",
                    f"what became of your order {order.order_id} on {order.symbol or 'a position'} is not known "
                    "yet; wait until it is reconciled",
                    value=round(age, 3),
                )
            )
        if age >= situation.policy.unknown_grace_s:
            return Refusal(
                Reason(
                    "no_unknown",
                    f"order {order.order_id} of {order.ea_name} on {order.symbol} has been unknown for {age:.0f} s, so "
                    "the account is reduce-only until it is matched or settled by an admin",
                    limit=situation.policy.unknown_grace_s,
                    value=round(age, 3),
                )
            )
    return None


def equity_fresh(situation: Situation, proposal: Proposal) -> Finding:
    """The account was never sampled, or too long ago."""
    del proposal
    limit, age = situation.policy.equity_fresh_s, situation.sample_age_s
    if age is None:
        return Refusal(Reason("equity_fresh", "the account has not been read yet; is the broker connected?", limit))
    if age > limit:
        return Refusal(
            Reason(
                "equity_fresh",
                f"the account was last read {age:.1f} s ago, at most {limit:g} s count",
                limit,
                age,
            )
        )
    return None


def symbol_known(situation: Situation, proposal: Proposal) -> Finding:
    """The broker does not trade the symbol, as far as is known."""
    if situation.market.spec is not None:
        return None
    symbol = getattr(proposal, "symbol", "?")
    return Refusal(Reason("symbols", f"{proposal.broker} has no symbol {symbol}"))


def price_fresh(situation: Situation, proposal: Proposal) -> Finding:
    """No price, or one that the feed has not confirmed for too long."""
    limit, age = situation.policy.price_fresh_s, situation.market.age_s
    symbol = getattr(proposal, "symbol", "the symbol")
    if age is None or situation.market.bid is None or situation.market.ask is None:
        return Refusal(Reason("price_fresh", f"there is no price for {symbol} yet", limit))
    if age > limit:
        return Refusal(
            Reason(
                "price_fresh",
                f"the price of {symbol} was last confirmed {age:.1f} s ago, at most {limit:g} s count",
                limit,
                age,
            )
        )
    return None


def max_open_positions(situation: Situation, proposal: Proposal) -> Finding:
    """As many positions are open, waiting or promised as the account may have.

    On a netting account orders add up in one position, and however many of them there are, it would stay one: there a
    position counts as many times as orders of `max_volume` go into it.
    """
    if not isinstance(proposal, Open):
        return None
    limit = situation.policy.max_open_positions
    promised = len(situation.reservations)
    waiting = len(situation.orders)
    largest = situation.policy.max_volume if situation.netting else None
    held = sum(_times(position.volume, largest) for position in situation.positions.values())
    count = held + waiting + promised
    if count < limit:
        return None
    lots = f" (each {largest} lots on a netting account count as one)" if held > len(situation.positions) else ""
    return Refusal(
        Reason(
            "max_open_positions",
            f"{held} positions are open{lots}, {waiting} pending orders wait and {promised} more are "
            f"promised, the account may have {limit}; close one, cancel one or wait for an approval to end",
            limit,
            count,
        )
    )


def _times(volume: Decimal, largest: Decimal | None) -> int:
    return 1 if not largest else int((volume / largest).to_integral_value(ROUND_CEILING))


def max_volume(situation: Situation, proposal: Proposal) -> Finding:
    """More lots in one order than the account, the EA or the symbol may have."""
    if not isinstance(proposal, Open):
        return None
    limits = [(situation.policy.max_volume, "the account")]
    if situation.ea.max_volume is not None:
        limits.append((situation.ea.max_volume, f"EA {proposal.origin.ea_name}"))
    if situation.market.spec is not None:
        limits.append((situation.market.spec.volume_max, f"symbol {proposal.symbol}"))
    limit, whose = min(limits, key=lambda pair: pair[0])
    return Cap(
        limit,
        Reason(
            "max_volume",
            f"one order of {whose} may have {limit} lots, {proposal.volume} were asked for",
            limit,
            proposal.volume,
        ),
    )


ADDING: tuple[Rule, ...] = (
    recorded,
    trading_state,
    no_unknown,
    symbol_known,
    equity_fresh,
    price_fresh,
    max_open_positions,
    max_volume,
)
"""Applied, all of them, to whatever adds exposure."""
