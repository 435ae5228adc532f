"""What traders ask of an account: each request checked and carried out on its books, or refused with nothing changed.

The one path of all trades: `PaperAccount.check` goes along it, too, on books that are thrown away.
"""

from __future__ import annotations

import attrs

from quantmind.adapters.mock.books import Books
from quantmind.adapters.mock.checks import check_price, check_stops, check_volume, refuse, stop_level
from quantmind.adapters.mock.close_by import match
from quantmind.adapters.mock.freeze import check_frozen_order, check_frozen_position
from quantmind.adapters.mock.history import EXECUTED, OrderState, waiting
from quantmind.adapters.mock.opening import Request, check_open, position_of
from quantmind.adapters.mock.pending import changed_order, new_order
from quantmind.adapters.mock.positions import OpenPosition
from quantmind.adapters.mock.symbol_terms import OrderKind, check_kinds, check_session, check_trade_mode
from quantmind.domain.accounts import Cause
from quantmind.domain.orders import Cancel, Close, Modify, Open, OrderType, Placed, Proposal, Refused
from quantmind.domain.retcodes import Retcode

PART_EXECUTED = "Request executed partially"
CANCELED = "Order cancelled by the trader"


def carry_out(books: Books, request: Proposal, tag: str) -> Placed | Refused:
    """Do what is asked, and remember it under its tag."""
    outcome = _outcome(books, request, tag)
    if isinstance(outcome, Placed):
        # A waiting order is looked up when somebody asks: its fate is still to come.
        places = isinstance(request, Open) and outcome.pending
        books.ledger.remember(tag, outcome.order if places else outcome)
    return outcome


def _outcome(books: Books, request: Proposal, tag: str) -> Placed | Refused:
    match request:
        case Open():
            return open_or_wait(books, request, tag)
        case Close():
            return close(books, request, tag) if request.by is None else close_by(books, request, tag)
        case Modify():
            return modify(books, request)
        case Cancel():
            return cancel(books, request)


def open_or_wait(books: Books, order: Open, tag: str) -> Placed | Refused:
    """Open a position at the market, or let a limit or stop order wait."""
    spec = books.market.specs.get(order.symbol)
    if spec is None:
        return refuse(Retcode.INVALID, f"there is no symbol {order.symbol} here")
    terms, met = books.terms_of(order.symbol), books.met_by(order.symbol)
    request = check_open(order, spec, terms, books.market, met, books.time_msc)
    if isinstance(request, Refused):
        return request
    return (_fill if order.order_type is OrderType.MARKET else _wait)(books, order, request, tag)


def close(books: Books, order: Close, tag: str) -> Placed | Refused:
    """Close a position, or a part of it, at the market."""
    position = _to_close(books, order)
    if isinstance(position, Refused):
        return position
    spec, terms = books.market.specs[position.symbol], books.terms_of(position.symbol)
    volume = position.volume if order.volume is None else order.volume
    if volume.is_finite() and volume > position.volume:
        return refuse(
            Retcode.INVALID_CLOSE_VOLUME,
            f"{volume} lots can't be closed: position {order.ticket} has {position.volume}",
        )
    if not volume.is_finite() or volume != position.volume:
        wrong = check_volume(spec, volume)
        if wrong is not None:
            return wrong
    side = position.side.opposite
    fill = books.executor.fill(spec, terms, side, books.price(position.symbol), volume)
    if isinstance(fill, Refused):
        return fill
    deal = books.leave(position, fill.volume, fill.price, books.ledger.take_order(), Cause.CLIENT, tag)
    return Placed(
        retcode=int(Retcode.DONE_PARTIAL if fill.partial else Retcode.DONE),
        order=deal.order,
        deal=deal.ticket,
        ticket=position.ticket,
        price=deal.price,
        volume=deal.volume,
        profit=deal.profit,
        sl=position.sl,
        tp=position.tp,
        comment=PART_EXECUTED if fill.partial else EXECUTED,
    )


def close_by(books: Books, order: Close, tag: str) -> Placed | Refused:
    """Close two opposite positions of a hedging account against each other."""
    if books.nets:
        return refuse(
            Retcode.INVALID_ORDER,
            f"position {order.ticket} can't be closed by {order.by}: a netting account has no opposite positions; "
            "close it at the market",
        )
    position = _to_close(books, order)
    if isinstance(position, Refused):
        return position
    spec, terms = books.market.specs[position.symbol], books.terms_of(position.symbol)
    by = books.positions.get(order.by or 0)
    matched = match(order, position, by)
    if isinstance(matched, Refused):
        return matched
    wrong = check_kinds(spec, terms, OrderKind.CLOSE_BY) or check_frozen_position(
        spec, matched.by, books.price(spec.name)
    )
    if wrong is not None:
        return wrong
    first, second = books.match(matched, books.ledger.take_order(), tag)
    return Placed(
        retcode=int(Retcode.DONE),
        order=first.order,
        deal=first.ticket,
        ticket=position.ticket,
        price=first.price,
        volume=first.volume,
        profit=first.profit + second.profit,
        sl=position.sl,
        tp=position.tp,
        comment=EXECUTED,
    )


def modify(books: Books, order: Modify) -> Placed | Refused:
    """Change the stops of a position, or what a waiting order is."""
    waits = books.orders.get(order.ticket)
    if waits is None:
        return _modify_position(books, order)
    spec, price = books.market.specs[waits.symbol], books.price(waits.symbol)
    terms = books.terms_of(waits.symbol)
    changed = changed_order(waits, order, spec, price, books.time_msc)
    if isinstance(changed, Refused):
        return changed
    wrong = (
        check_session(spec, terms, books.time_msc)
        or check_kinds(spec, terms, *_kinds(order))
        or check_frozen_order(spec, waits, price)
    )
    if wrong is not None:
        return wrong
    books.orders[changed.ticket] = changed
    return waiting(changed)


def cancel(books: Books, order: Cancel) -> Placed | Refused:
    """Take back a waiting order."""
    waits = books.orders.get(order.ticket)
    if waits is None:
        record = books.ledger.record_of(order.ticket)
        if record is None:
            return refuse(Retcode.INVALID, f"there is no pending order {order.ticket}: read the orders again")
        code = Retcode.ORDER_CHANGED if record.state is OrderState.FILLED else Retcode.INVALID
        return refuse(code, f"order {order.ticket} waits no more: it is {record.state.value} ({record.comment})")
    spec, price = books.market.specs[waits.symbol], books.price(waits.symbol)
    wrong = check_session(spec, books.terms_of(waits.symbol), books.time_msc) or check_frozen_order(spec, waits, price)
    if wrong is not None:
        return wrong
    books.end(waits, OrderState.CANCELED, CANCELED)
    return Placed(
        retcode=int(Retcode.DONE), order=waits.ticket, ticket=waits.ticket, volume=waits.volume, comment=EXECUTED
    )


def _fill(books: Books, order: Open, request: Request, tag: str) -> Placed | Refused:
    fill = books.executor.fill(
        request.spec,
        request.terms,
        request.side,
        request.price,
        order.volume,
        asked=order.price,
        deviation=order.deviation,
        filling=order.filling,
    )
    if isinstance(fill, Refused):
        return fill
    new = position_of(order, fill.price, fill.volume, request.side, books.market, books.terms, books.time_msc, tag)
    if isinstance(new, Refused):
        return new
    wrong = books.check_money(new)
    if wrong is not None:
        return wrong
    deal, rest = books.enter(new, books.ledger.take_order())
    return Placed(
        retcode=int(Retcode.DONE_PARTIAL if fill.partial else Retcode.DONE),
        order=deal.order,
        deal=deal.ticket,
        ticket=deal.position,
        price=deal.price,
        volume=deal.volume,
        profit=None if deal.entry is deal.entry.IN else deal.profit,
        sl=None if rest is None else rest.sl,
        tp=None if rest is None else rest.tp,
        comment=PART_EXECUTED if fill.partial else EXECUTED,
    )


def _wait(books: Books, order: Open, request: Request, tag: str) -> Placed | Refused:
    most = books.terms.max_pending_orders
    if len(books.orders) >= most:
        return refuse(
            Retcode.LIMIT_ORDERS, f"{len(books.orders)} pending orders wait already, {most} may: cancel one first"
        )
    waits = new_order(order, request.spec, request.side, request.price, books.time_msc, tag)
    if isinstance(waits, Refused):
        return waits
    new = position_of(waits, waits.price, waits.volume, waits.side, books.market, books.terms, books.time_msc, tag)
    if isinstance(new, Refused):
        return new
    wrong = books.check_money(new)
    if wrong is not None:
        return wrong
    waits = attrs.evolve(waits, ticket=books.ledger.take_order())
    books.orders[waits.ticket] = waits
    return waiting(waits)


def _to_close(books: Books, order: Close) -> OpenPosition | Refused:
    position = books.positions.get(order.ticket)
    if position is None:
        return refuse(Retcode.POSITION_CLOSED, f"there is no open position {order.ticket}")
    if order.symbol and order.symbol != position.symbol:
        return refuse(Retcode.INVALID, f"position {order.ticket} is of {position.symbol}, not of {order.symbol}")
    spec, terms = books.market.specs[position.symbol], books.terms_of(position.symbol)
    return (
        check_trade_mode(spec, position.side.opposite, closing=True)
        or check_session(spec, terms, books.time_msc)
        or check_frozen_position(spec, position, books.price(position.symbol))
        or position
    )


def _modify_position(books: Books, order: Modify) -> Placed | Refused:
    position = books.positions.get(order.ticket)
    if position is None:
        return refuse(Retcode.POSITION_CLOSED, f"there is no open position or pending order {order.ticket}")
    if order.new_price is not None or order.new_expiration is not None:
        return refuse(
            Retcode.INVALID,
            f"{order.ticket} is a position and no pending order: it has a stop loss and a take profit, and neither a "
            "price nor an expiration to change",
        )
    spec, terms = books.market.specs[position.symbol], books.terms_of(position.symbol)
    wrong = check_price(spec, "stop loss", order.new_sl) or check_price(spec, "take profit", order.new_tp)
    if wrong is not None:
        return wrong
    sl = position.sl if order.new_sl is None else stop_level(spec, order.new_sl)
    tp = position.tp if order.new_tp is None else stop_level(spec, order.new_tp)
    if sl == position.sl and tp == position.tp:
        return refuse(
            Retcode.NO_CHANGES,
            f"position {order.ticket} already has stop loss {sl or 'none'} and take profit {tp or 'none'}",
        )
    price = books.price(position.symbol)
    new_sl, new_tp = (None if sl == position.sl else sl), (None if tp == position.tp else tp)
    wrong = (
        check_session(spec, terms, books.time_msc)
        or check_kinds(spec, terms, *_kinds(order))
        or check_frozen_position(spec, position, price)
        or check_stops(spec, position.side, price, new_sl, new_tp)
    )
    if wrong is not None:
        return wrong
    books.positions[position.ticket] = attrs.evolve(position, sl=sl, tp=tp)
    return Placed(retcode=int(Retcode.DONE), ticket=position.ticket, sl=sl, tp=tp, comment=EXECUTED)


def _kinds(order: Modify) -> list[OrderKind]:
    return [kind for kind, level in ((OrderKind.SL, order.new_sl), (OrderKind.TP, order.new_tp)) if level]
