"""What a proposal aims at, a symbol or a ticket, when it is not there: no rule needs to look at that."""

from __future__ import annotations

from collections.abc import Collection

from actors.holdings import Holdings
from actors.messages import Reply
from quantmind.domain.orders import Cancel, Close, Modify, Open, Proposal
from quantmind.wire import replies


def wrong_target(proposal: Proposal, holdings: Holdings, symbols: Collection[str], *, must_exist: bool) -> Reply | None:
    """The answer to a proposal whose target is missing or of the wrong kind, or None.

    Args:
        symbols: what the broker trades; empty when that is not known.
        must_exist: the gateway would carry it out itself. An EA that trades by itself may see what we can't.
    """
    if isinstance(proposal, Open):
        if symbols and proposal.symbol not in symbols:
            return replies.error("unknown_symbol", f"{proposal.broker} has no symbol {proposal.symbol}; see /symbols")
        return None
    if must_exist and not _is_there(proposal, holdings):
        if holdings.sample is None:
            message = f"the positions of {proposal.broker} have not been read yet; nothing was done, send it again"
            return replies.error("broker_unavailable", message)
        return replies.error("unknown_ticket", _missing(proposal, holdings))
    position = holdings.positions.get(proposal.ticket)
    if position is None:
        return None
    ticket = proposal.ticket
    if isinstance(proposal, Close) and proposal.symbol != position.symbol:
        return replies.error("invalid_message", f"position {ticket} is {position.symbol} and not {proposal.symbol}")
    if isinstance(proposal, Modify) and (proposal.new_price, proposal.new_expiration) != (None, None):
        message = f"ticket {ticket} is an open position: new_price and new_expiration are for pending orders"
        return replies.error("invalid_message", message)
    return None


def _is_there(proposal: Close | Modify | Cancel, holdings: Holdings) -> bool:
    match proposal:
        case Cancel():
            return proposal.ticket in holdings.orders
        case Close():
            positions = holdings.positions
            return proposal.ticket in positions and (proposal.by is None or proposal.by in positions)
        case Modify():
            return proposal.ticket in holdings.positions or proposal.ticket in holdings.orders


def _missing(proposal: Close | Modify | Cancel, holdings: Holdings) -> str:
    broker, ticket = proposal.broker, proposal.ticket
    if isinstance(proposal, Cancel):
        if ticket in holdings.positions:
            return f"{ticket} of {broker} is an open position and no pending order; close it with trade_close"
        return f"{broker} has no pending order {ticket}; see /orders"
    if isinstance(proposal, Close) and ticket in holdings.positions:
        return f"{broker} has no open position {proposal.by}; see /positions"
    if isinstance(proposal, Close) and ticket in holdings.orders:
        return f"{ticket} of {broker} is a pending order and no position yet; take it back with trade_cancel"
    return f"{broker} has no open position {ticket}; see /positions"
