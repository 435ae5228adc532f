"""Whether anything may be added at all: trading state, record, mandate, unknown orders, the age of what is known."""

from __future__ import annotations

from decimal import Decimal

from quantmind.domain.orders import Proposal
from quantmind.domain.risk.approval import Reason
from quantmind.domain.risk.mandate import MandateMode
from quantmind.domain.risk.rules.finding import Finding, Refusal
from quantmind.domain.risk.state import Situation, TradingState


def trading_state(situation: Situation, proposal: Proposal) -> Finding:
    """Halted or reduce-only, and the order adds exposure."""
    del proposal
    if situation.state is TradingState.ACTIVE:
        return None
    return Refusal(
        Reason(
            "trading_state",
            f"trading is {situation.state.value} ({situation.state_cause}): only what reduces risk passes; "
            "`quantmind risk` says how this ends, `quantmind release` ends what a person may end",
        )
    )


def recorded(situation: Situation, proposal: Proposal) -> Finding:
    """The durable record can't be written or has not been read back yet."""
    del proposal
    if situation.blocked is None:
        return None
    return Refusal(Reason("journal", f"{situation.blocked}; nothing new is opened until it works again"))


def watched(situation: Situation, proposal: Proposal) -> Finding:
    """The account's limits are not being watched, so nobody would notice a broken one."""
    del proposal
    if situation.unwatched is None:
        return None
    return Refusal(Reason("watch", f"the account is not watched ({situation.unwatched}); this is a bug, see the log"))


def breaker(situation: Situation, proposal: Proposal) -> Finding:
    """Calls to the broker failed in a row, so nothing new is tried for a while."""
    if situation.broken is None:
        return None
    return Refusal(Reason("breaker", f"{proposal.broker} takes nothing new now: {situation.broken}"))


def mandate(situation: Situation, proposal: Proposal) -> Finding:
    """Nothing may be added at all, says the mandate; one that only reduces is enforced with the multiplier."""
    del proposal
    if situation.mandate.mode is not MandateMode.NONE:
        return None
    return Refusal(
        Reason(
            "mandate",
            f"the risk mandate is {situation.mandate}: only what reduces risk passes until an admin sets another",
            Decimal(0),
        )
    )


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
        if not age < situation.policy.unknown_grace_s:
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
    why = f" ({situation.unread})" if situation.unread else ""
    if age is None:
        why = why or "; is the broker connected?"
        return Refusal(Reason("equity_fresh", f"the account has not been read yet{why}", limit))
    if not age <= limit:  # an age that is no number is not fresh
        return Refusal(
            Reason(
                "equity_fresh",
                f"the account was last read {age:.1f} s ago, at most {limit:g} s count{why}",
                limit,
                age,
            )
        )
    return None


def stops_missing(situation: Situation, proposal: Proposal) -> Finding:
    """A position has not the stop loss that was asked for: it comes first."""
    del proposal
    if situation.sample is None or not situation.sample.unprotected:
        return None
    position, why = next(iter(situation.sample.unprotected.items()))
    return Refusal(
        Reason(
            "stops_missing",
            f"{position} is open without its stop loss ({why}); it is tried again. Give it another stop or none "
            "(sl 0), or close it",
        )
    )


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
    bid, ask = situation.market.bid, situation.market.ask
    if not (bid.is_finite() and ask.is_finite()):
        return Refusal(Reason("price_fresh", f"the price of {symbol} is {bid} / {ask}", limit))
    if not age <= limit:
        return Refusal(
            Reason(
                "price_fresh",
                f"the price of {symbol} was last confirmed {age:.1f} s ago, at most {limit:g} s count",
                limit,
                age,
            )
        )
    return None
