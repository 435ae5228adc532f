"""How much and how many: volumes of one order, positions, trades of a day, orders of a minute, what an EA may have."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

from quantmind.domain.orders import Open, Proposal
from quantmind.domain.risk.approval import Reason
from quantmind.domain.risk.policy import DeadMan
from quantmind.domain.risk.rules.finding import Cap, Finding, Refusal, no
from quantmind.domain.risk.state import Situation


def max_open_positions(situation: Situation, proposal: Proposal) -> Finding:
    """As many positions are open, waiting or promised as the account may have.

    On a netting account orders add up in one position, and however many of them there are, it would stay one: there a
    position counts as many times as orders of `max_volume` go into it.
    """
    if not isinstance(proposal, Open):
        return None
    limit = situation.policy.max_open_positions
    promised = sum(1 for item in situation.reservations if item.opens)
    waiting = len(situation.orders)
    largest = situation.policy.max_volume if situation.netting else None
    if largest is None:
        held = len(situation.positions)
    else:
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


def _times(volume: Decimal, largest: Decimal) -> int:
    return 1 if not largest else int((volume / largest).to_integral_value(ROUND_CEILING))


def max_volume(situation: Situation, proposal: Proposal) -> Finding:
    """More lots in one order than the account, the EA or the symbol may have."""
    if not isinstance(proposal, Open):
        return None
    limit, whose = situation.policy.max_volume, "the account"
    mine, spec = situation.ea.max_volume, situation.market.spec
    if mine is not None and mine < limit:
        limit, whose = mine, f"EA {proposal.origin.ea_name}"
    if spec is not None and spec.volume_max < limit:
        limit, whose = spec.volume_max, f"symbol {proposal.symbol}"
    return Cap(
        limit,
        lambda: Reason(
            "max_volume",
            f"one order of {whose} may have {limit} lots, {proposal.volume} were asked for",
            limit,
            proposal.volume,
        ),
    )


def max_open_per_symbol(situation: Situation, proposal: Proposal) -> Finding:
    """As many positions of the symbol are open, waiting or promised as there may be."""
    limit = situation.policy.rules.max_open_per_symbol
    if limit is None or not isinstance(proposal, Open):
        return None
    symbol = proposal.symbol
    if situation.symbol_counts is None:
        return no("max_open_per_symbol", "positions and orders of the symbol have not been counted", limit)
    count = situation.symbol_counts.get(symbol, 0)
    count += sum(1 for item in situation.reservations if item.symbol == symbol and item.opens)
    if count < limit:
        return None
    return no(
        "max_open_per_symbol",
        f"{count} positions and orders of {symbol} are open, waiting or promised, {limit} are allowed; close one",
        limit,
        count,
    )


def max_trades_per_day(situation: Situation, proposal: Proposal) -> Finding:
    """As many positions were opened since the day began, wait or are promised as a day may have."""
    limit = situation.policy.rules.max_trades_per_day
    if limit is None or not isinstance(proposal, Open):
        return None
    done = situation.counts.trades_today
    if done is None:
        return no(
            "max_trades_per_day", "the broker's deals of today have not been read, so trades can't be counted", limit
        )
    count = done + len(situation.orders) + sum(1 for item in situation.reservations if item.opens)
    if count < limit:
        return None
    return no(
        "max_trades_per_day",
        f"{done} positions were opened today and {count - done} more wait or are promised, a day may have {limit}; the "
        f"next day begins at {situation.policy.reset}",
        limit,
        count,
    )


def max_orders_per_minute(situation: Situation, proposal: Proposal) -> Finding:
    """As many orders were approved within a minute as may be."""
    limit = situation.policy.rules.max_orders_per_minute
    if limit is None or not isinstance(proposal, Open):
        return None
    count = situation.counts.orders_last_minute
    if count is None:
        return no("max_orders_per_minute", "the orders of the last minute have not been counted", limit)
    if count < limit:
        return None
    return no(
        "max_orders_per_minute",
        f"{count} orders were approved within the last minute, {limit} are allowed; wait",
        limit,
        count,
    )


def ea_limits(situation: Situation, proposal: Proposal) -> Finding:
    """The EA has as many positions as it may have, or has not been heard of for too long."""
    if not isinstance(proposal, Open):
        return None
    ea, name = situation.ea, proposal.origin.ea_name
    if ea.dead_man_s is not None and ea.on_dead_man is not DeadMan.NONE:
        silent = situation.ea_silent_s
        if silent is None or not silent <= ea.dead_man_s:
            how_long = "" if silent is None else f" for {silent:.0f} s"
            return no(
                "ea_limits",
                f"EA {name} has sent no heartbeat{how_long}, {ea.dead_man_s:g} s are allowed; it opens again after one",
                ea.dead_man_s,
                silent,
            )
    if ea.max_open_positions is None:
        return None
    magic = proposal.origin.magic
    held = [item.magic for item in situation.positions.values()].count(magic)
    held += sum(1 for order in situation.orders.values() if order.magic == magic)
    held += sum(1 for item in situation.reservations if item.ea_name == name and item.opens)
    if held < ea.max_open_positions:
        return None
    return no(
        "ea_limits",
        f"EA {name} has {held} positions and orders of magic {magic}, it may have {ea.max_open_positions}",
        ea.max_open_positions,
        held,
    )
