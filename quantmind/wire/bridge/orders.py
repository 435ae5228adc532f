"""Orders of the domain as requests, and back."""

from __future__ import annotations

from quantmind.domain.orders import Cancel, Close, Modify, Open, Origin, Proposal
from quantmind.domain.risk.approval import Approved
from quantmind.wire.bridge.requests import OrderCancel, OrderSend, PositionClose, PositionModify, Trading


def proposal_of(request: Trading, broker: str) -> Proposal:
    """The order that a request asks for. Whoever asked is known by the magic number alone."""
    origin = Origin("bridge", request.magic)
    match request:
        case OrderSend():
            return Open(
                origin=origin,
                broker=broker,
                symbol=request.symbol,
                volume=request.volume,
                side=request.side,
                order_type=request.order_type,
                price=request.price,
                sl=request.sl,
                tp=request.tp,
                reduce=request.reduce,
                comment=request.comment,
                expiration=request.expiration,
                deviation=request.deviation,
                filling=request.filling,
            )
        case PositionClose():
            return Close(origin, broker, request.symbol, request.ticket, request.volume, request.by)
        case PositionModify():
            return Modify(
                origin,
                broker,
                request.ticket,
                request.new_sl,
                request.new_tp,
                request.new_price,
                request.new_expiration,
            )
        case OrderCancel():
            return Cancel(origin, broker, request.ticket)


def request_of(order: Approved, tag: str, request_id: str, start_by_ms: int = 0) -> Trading:
    """What an approved order is called here.

    Raises:
        ValueError: an order without a side.
    """
    proposal, reduces = order.proposal, order.reduces
    match proposal:
        case Open():
            if proposal.side is None:
                raise ValueError("an order that is sent needs a side")
            return OrderSend(
                id=request_id,
                tag=tag,
                symbol=proposal.symbol,
                volume=proposal.volume,
                side=proposal.side,
                order_type=proposal.order_type,
                price=proposal.price,
                sl=proposal.sl,
                tp=proposal.tp,
                magic=proposal.origin.magic,
                comment=proposal.comment,
                expiration=proposal.expiration,
                deviation=proposal.deviation,
                filling=proposal.filling,
                reduce=proposal.reduce,
                reduces=reduces,
                start_by_ms=start_by_ms,
            )
        case Close():
            return PositionClose(
                id=request_id,
                tag=tag,
                symbol=proposal.symbol,
                ticket=proposal.ticket,
                volume=proposal.volume,
                by=proposal.by,
                magic=proposal.origin.magic,
                reduces=reduces,
                start_by_ms=start_by_ms,
            )
        case Modify():
            return PositionModify(
                id=request_id,
                tag=tag,
                ticket=proposal.ticket,
                new_sl=proposal.new_sl,
                new_tp=proposal.new_tp,
                new_price=proposal.new_price,
                new_expiration=proposal.new_expiration,
                magic=proposal.origin.magic,
                reduces=reduces,
                start_by_ms=start_by_ms,
            )
        case Cancel():
            return OrderCancel(
                id=request_id,
                tag=tag,
                ticket=proposal.ticket,
                magic=proposal.origin.magic,
                reduces=reduces,
                start_by_ms=start_by_ms,
            )
