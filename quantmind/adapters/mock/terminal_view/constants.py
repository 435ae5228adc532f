"""The numbers that MetaTrader 5 has for what a paper account knows by name.

Those of the MetaTrader5 package 5.0.6231; the bits of SymbolInfo are those of the MQL5 reference.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from quantmind.adapters.mock.symbol_terms import OrderKind
from quantmind.domain.accounts import Cause, Entry
from quantmind.domain.orders import Filling, OrderType, Side
from quantmind.domain.retcodes import Retcode
from quantmind.domain.symbols import Execution, TradeMode


class Action(enum.IntEnum):
    """TRADE_ACTION_*."""

    DEAL = 1
    PENDING = 5
    SLTP = 6
    MODIFY = 7
    REMOVE = 8
    CLOSE_BY = 10


class TypeTime(enum.IntEnum):
    """ORDER_TIME_*."""

    GTC = 0
    DAY = 1
    SPECIFIED = 2
    SPECIFIED_DAY = 3


ORDER_TYPES: Final[Mapping[int, tuple[Side, OrderType]]] = {
    0: (Side.BUY, OrderType.MARKET),
    1: (Side.SELL, OrderType.MARKET),
    2: (Side.BUY, OrderType.LIMIT),
    3: (Side.SELL, OrderType.LIMIT),
    4: (Side.BUY, OrderType.STOP),
    5: (Side.SELL, OrderType.STOP),
}
STOP_LIMITS: Final = (6, 7)
ORDER_TYPE_NUMBERS: Final = {meant: number for number, meant in ORDER_TYPES.items()}
SIDES: Final[Mapping[Side, int]] = {Side.BUY: 0, Side.SELL: 1}
FILLINGS: Final[Mapping[int, Filling]] = {0: Filling.FOK, 1: Filling.IOC, 2: Filling.RETURN}
FILLING_NUMBERS: Final = {meant: number for number, meant in FILLINGS.items()}
FILLING_BITS: Final[Mapping[Filling, int]] = {Filling.FOK: 1, Filling.IOC: 2, Filling.RETURN: 0}
EXPIRATION_BITS: Final = 15
"""Good till cancelled, day, a time, a day: a paper account takes them all."""
ORDER_BITS: Final[Mapping[OrderKind, int]] = {
    OrderKind.MARKET: 1,
    OrderKind.LIMIT: 2,
    OrderKind.STOP: 4,
    OrderKind.STOP_LIMIT: 8,
    OrderKind.SL: 16,
    OrderKind.TP: 32,
    OrderKind.CLOSE_BY: 64,
}
EXECUTIONS: Final[Mapping[Execution, int]] = {
    Execution.REQUEST: 0,
    Execution.INSTANT: 1,
    Execution.MARKET: 2,
    Execution.EXCHANGE: 3,
}
TRADE_MODES: Final[Mapping[TradeMode, int]] = {
    TradeMode.DISABLED: 0,
    TradeMode.LONG_ONLY: 1,
    TradeMode.SHORT_ONLY: 2,
    TradeMode.CLOSE_ONLY: 3,
    TradeMode.FULL: 4,
}
MARGIN_MODES: Final[Mapping[str, int]] = {"netting": 0, "hedging": 2}
ENTRIES: Final[Mapping[Entry, int]] = {Entry.IN: 0, Entry.OUT: 1, Entry.INOUT: 2, Entry.OUT_BY: 3}
REASON_CLIENT: Final = 0
REASON_EXPERT: Final = 3
DEAL_REASONS: Final[Mapping[Cause, int]] = {Cause.SL: 4, Cause.TP: 5, Cause.STOP_OUT: 6}
ORDER_STATE_PLACED: Final = 1
CALC_FOREX: Final = 0
CALC_CFD_LEVERAGE: Final = 4
SWAP_DISABLED: Final = 0
SWAP_POINTS: Final = 1

EXECUTED: Final = "Request executed"
CHECKED: Final = "Done"
COMMENTS: Final[Mapping[int, str]] = {
    Retcode.REQUOTE: "Requote",
    Retcode.REJECT: "Request rejected",
    Retcode.DONE: EXECUTED,
    Retcode.DONE_PARTIAL: "Request executed partially",
    Retcode.INVALID: "Invalid request",
    Retcode.INVALID_VOLUME: "Invalid volume",
    Retcode.INVALID_PRICE: "Invalid price",
    Retcode.INVALID_STOPS: "Invalid stops",
    Retcode.TRADE_DISABLED: "Trade disabled",
    Retcode.MARKET_CLOSED: "Market closed",
    Retcode.NO_MONEY: "No money",
    Retcode.PRICE_OFF: "No prices",
    Retcode.INVALID_EXPIRATION: "Invalid expiration",
    Retcode.ORDER_CHANGED: "Order changed",
    Retcode.NO_CHANGES: "No changes",
    Retcode.FROZEN: "Order or position frozen",
    Retcode.INVALID_FILL: "Unsupported filling mode",
    Retcode.LIMIT_ORDERS: "Orders limit reached",
    Retcode.INVALID_ORDER: "Invalid order",
    Retcode.POSITION_CLOSED: "Position doesn't exist",
    Retcode.INVALID_CLOSE_VOLUME: "Invalid close volume",
    Retcode.LONG_ONLY: "Only long positions allowed",
    Retcode.SHORT_ONLY: "Only short positions allowed",
    Retcode.CLOSE_ONLY: "Only position closing allowed",
}
"""How a terminal words an outcome. It is short there; the reason with its numbers is the paper account's."""
