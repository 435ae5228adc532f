"""How the paper broker trades one symbol: its hours, and how its orders are filled."""

from __future__ import annotations

import enum
from decimal import Decimal

import attrs

from quantmind.adapters.mock.checks import refuse
from quantmind.domain.clock import iso_from_msc
from quantmind.domain.orders import Filling, OrderType, Refused, Side
from quantmind.domain.retcodes import Retcode
from quantmind.domain.sessions import ALWAYS, Sessions
from quantmind.domain.symbols import Execution, SymbolSpec, TradeMode


class OrderKind(enum.Enum):
    """What may be asked for with a symbol (MetaTrader 5: SYMBOL_ORDER_*). A paper account has no stop limit orders."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    SL = "sl"
    TP = "tp"
    CLOSE_BY = "close_by"


class Slip(enum.Enum):
    """Which way slippage goes: only against the trader, or both ways."""

    WORSE = "worse"
    BOTH = "both"


USUAL_KINDS = frozenset(OrderKind) - {OrderKind.STOP_LIMIT}


@attrs.frozen(kw_only=True)
class SymbolTerms:
    """What the paper broker needs of a symbol besides its `SymbolSpec` (which has trade mode, filling modes and swap).

    The defaults fill each order whole at the last price, at any hour.
    """

    sessions: Sessions = ALWAYS
    order_kinds: frozenset[OrderKind] = USUAL_KINDS
    slippage_points: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    """A market execution misses the price by at most so many points."""
    slippage_side: Slip = Slip.WORSE
    requote_probability: float = attrs.field(
        default=0.0, validator=[attrs.validators.ge(0.0), attrs.validators.le(1.0)]
    )
    """How often the price moves before an instant execution."""
    requote_points: int = attrs.field(default=10, validator=attrs.validators.ge(1))
    """By at most so many points it moves then, against the trader."""
    fill_volume_max: Decimal | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.gt(Decimal(0)))
    )
    """Lots that one market order can be filled with at once; None: any volume."""


USUAL = SymbolTerms()


def check_session(spec: SymbolSpec, terms: SymbolTerms, time_msc: int) -> Refused | None:
    """Whether the symbol trades at a time (UTC milliseconds): 10018 says when it opens again."""
    if terms.sessions.is_open(time_msc):
        return None
    opens = iso_from_msc(terms.sessions.opens_at(time_msc))
    return refuse(
        Retcode.MARKET_CLOSED, f"{spec.name} is closed at {iso_from_msc(time_msc)}: wait until it opens at {opens}"
    )


def check_trade_mode(spec: SymbolSpec, side: Side, *, closing: bool) -> Refused | None:
    """Whether an order of this side may be traded: 10017, 10042, 10043 or 10044.

    `closing` is an order that can only make exposure smaller: a close by ticket on a hedging account, an opposite
    order up to the position's volume on a netting one. Only a disabled symbol refuses it.
    """
    match spec.trade_mode:
        case TradeMode.DISABLED:
            return refuse(Retcode.TRADE_DISABLED, f"{spec.name} is not traded: its trade mode is disabled")
        case TradeMode.CLOSE_ONLY if not closing:
            return refuse(Retcode.CLOSE_ONLY, f"{spec.name} may only be closed: open no new position of it")
        case TradeMode.LONG_ONLY if not closing and side is Side.SELL:
            return refuse(Retcode.LONG_ONLY, f"{spec.name} may only be bought: a sell would open a short position")
        case TradeMode.SHORT_ONLY if not closing and side is Side.BUY:
            return refuse(Retcode.SHORT_ONLY, f"{spec.name} may only be sold: a buy would open a long position")
    return None


def check_kinds(spec: SymbolSpec, terms: SymbolTerms, *wanted: OrderKind) -> Refused | None:
    """Whether the symbol takes what an order asks for (`kinds_of` an open; SL and TP of a modification): 10035."""
    for kind in wanted:
        if kind not in terms.order_kinds:
            allowed = ", ".join(each.value for each in OrderKind if each in terms.order_kinds)
            return refuse(
                Retcode.INVALID_ORDER, f"{spec.name} takes no {kind.value} orders: its order types are {allowed}"
            )
    return None


def kinds_of(order_type: OrderType, sl: Decimal | None, tp: Decimal | None) -> tuple[OrderKind, ...]:
    """What an order to open asks for; a stop of 0 is none."""
    kinds = [OrderKind(order_type.value)]
    kinds += [OrderKind.SL] if sl else []
    kinds += [OrderKind.TP] if tp else []
    return tuple(kinds)


def check_filling(spec: SymbolSpec, filling: Filling | None, *, pending: bool) -> Refused | None:
    """Whether an order may have this filling mode; None leaves it to the symbol. 10030 names those that are allowed.

    As on a server: a limit or stop order always may be `RETURN`; a market order by market execution has only what the
    symbol lists; with instant execution the list does not count.
    """
    allowed = fillings_of(spec, pending=pending)
    if filling is None or filling in allowed:
        return None
    names = ", ".join(each.value for each in Filling if each in allowed)
    what = "pending" if pending else "market"
    return refuse(Retcode.INVALID_FILL, f"{spec.name} fills no {what} order as {filling.value}: use {names}")


def fillings_of(spec: SymbolSpec, *, pending: bool) -> frozenset[Filling]:
    """The filling modes that an order of the symbol may name."""
    if pending:
        return spec.fillings | {Filling.RETURN}
    return frozenset(Filling) if spec.execution is Execution.INSTANT else spec.fillings


def usual_filling(spec: SymbolSpec, *, pending: bool) -> Filling:
    """The filling mode of an order that names none: the whole volume where the symbol has that."""
    if pending:
        return Filling.RETURN
    allowed = fillings_of(spec, pending=False)
    return Filling.FOK if Filling.FOK in allowed else Filling.IOC
