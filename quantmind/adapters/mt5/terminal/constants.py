"""The numbers of the MetaTrader5 package that are used here, and a check that a module has them.

Values are those of the package 5.0.6231; the SYMBOL_FILLING, _EXPIRATION and _ORDER bits, which it does not have, are
those of the MQL5 reference.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final


class Action(enum.IntEnum):
    """TRADE_ACTION_*."""

    DEAL = 1
    PENDING = 5
    SLTP = 6
    MODIFY = 7
    REMOVE = 8
    CLOSE_BY = 10


class OrderKind(enum.IntEnum):
    """ORDER_TYPE_*."""

    BUY = 0
    SELL = 1
    BUY_LIMIT = 2
    SELL_LIMIT = 3
    BUY_STOP = 4
    SELL_STOP = 5
    BUY_STOP_LIMIT = 6
    SELL_STOP_LIMIT = 7
    CLOSE_BY = 8


class FillingMode(enum.IntEnum):
    """ORDER_FILLING_*, which are no bits."""

    FOK = 0
    IOC = 1
    RETURN = 2
    BOC = 3


class TimeKind(enum.IntEnum):
    """ORDER_TIME_*."""

    GTC = 0
    DAY = 1
    SPECIFIED = 2
    SPECIFIED_DAY = 3


class OrderState(enum.IntEnum):
    """ORDER_STATE_*."""

    STARTED = 0
    PLACED = 1
    CANCELED = 2
    PARTIAL = 3
    FILLED = 4
    REJECTED = 5
    EXPIRED = 6
    REQUEST_ADD = 7
    REQUEST_MODIFY = 8
    REQUEST_CANCEL = 9


class DealKind(enum.IntEnum):
    """DEAL_TYPE_BUY and _SELL; all others are no trades."""

    BUY = 0
    SELL = 1


class DealEntry(enum.IntEnum):
    """DEAL_ENTRY_*."""

    IN = 0
    OUT = 1
    INOUT = 2
    OUT_BY = 3


class DealReason(enum.IntEnum):
    """Those of DEAL_REASON_* that a server made by itself."""

    SL = 4
    TP = 5
    SO = 6


class TradeModeNumber(enum.IntEnum):
    """SYMBOL_TRADE_MODE_*."""

    DISABLED = 0
    LONGONLY = 1
    SHORTONLY = 2
    CLOSEONLY = 3
    FULL = 4


class ExecutionNumber(enum.IntEnum):
    """SYMBOL_TRADE_EXECUTION_*."""

    REQUEST = 0
    INSTANT = 1
    MARKET = 2
    EXCHANGE = 3


class MarginMode(enum.IntEnum):
    """ACCOUNT_MARGIN_MODE_*."""

    RETAIL_NETTING = 0
    EXCHANGE = 1
    RETAIL_HEDGING = 2


class Res(enum.IntEnum):
    """RES_E_* and RES_S_OK: what `last_error` says."""

    S_OK = 1
    E_FAIL = -1
    E_INVALID_PARAMS = -2
    E_NO_MEMORY = -3
    E_NOT_FOUND = -4
    E_INVALID_VERSION = -5
    E_AUTH_FAILED = -6
    E_UNSUPPORTED = -7
    E_AUTO_TRADING_DISABLED = -8
    E_INTERNAL_FAIL = -10000
    E_INTERNAL_FAIL_SEND = -10001
    E_INTERNAL_FAIL_RECEIVE = -10002
    E_INTERNAL_FAIL_INIT = -10003
    E_INTERNAL_FAIL_CONNECT = -10004
    E_INTERNAL_FAIL_TIMEOUT = -10005


COPY_TICKS_ALL: Final = -1
SWAP_MODE_POINTS: Final = 1
FILLING_BIT_FOK: Final = 1
FILLING_BIT_IOC: Final = 2
EXPIRATION_BIT_GTC: Final = 1
EXPIRATION_BIT_SPECIFIED: Final = 4

_GROUPS: Final[Mapping[str, type[enum.IntEnum]]] = {
    "TRADE_ACTION": Action,
    "ORDER_TYPE": OrderKind,
    "ORDER_FILLING": FillingMode,
    "ORDER_TIME": TimeKind,
    "ORDER_STATE": OrderState,
    "DEAL_TYPE": DealKind,
    "DEAL_ENTRY": DealEntry,
    "DEAL_REASON": DealReason,
    "SYMBOL_TRADE_MODE": TradeModeNumber,
    "SYMBOL_TRADE_EXECUTION": ExecutionNumber,
    "ACCOUNT_MARGIN_MODE": MarginMode,
    "RES": Res,
}
CONSTANTS: Final[Mapping[str, int]] = {
    **{f"{group}_{each.name}": each.value for group, members in _GROUPS.items() for each in members},
    "COPY_TICKS_ALL": COPY_TICKS_ALL,
    "SYMBOL_SWAP_MODE_POINTS": SWAP_MODE_POINTS,
}
"""By the package's names, what we take them to be."""

FUNCTIONS: Final = (
    "account_info",
    "copy_ticks_from",
    "history_deals_get",
    "history_orders_get",
    "initialize",
    "last_error",
    "order_check",
    "order_send",
    "orders_get",
    "positions_get",
    "shutdown",
    "symbol_info",
    "symbol_info_tick",
    "symbol_select",
    "symbols_get",
    "terminal_info",
    "version",
)
"""What we call of the package."""

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "Tick": ("time", "time_msc", "bid", "ask", "last", "volume_real"),
    "OrderSendResult": ("retcode", "deal", "order", "volume", "price", "comment"),
    "OrderCheckResult": ("retcode", "comment"),
    "TradePosition": (
        *("ticket", "time_msc", "type", "magic", "volume", "price_open", "sl", "tp", "price_current", "swap"),
        *("profit", "symbol", "comment"),
    ),
    "TradeOrder": (
        *("ticket", "time_setup_msc", "time_done_msc", "time_expiration", "type", "type_time", "type_filling", "state"),
        *("magic", "position_id", "volume_initial", "volume_current", "price_open", "sl", "tp", "symbol", "comment"),
        "price_stoplimit",
    ),
    "TradeDeal": (
        *("ticket", "order", "time_msc", "type", "entry", "magic", "position_id", "reason", "volume", "price"),
        *("commission", "swap", "profit", "fee", "symbol", "comment"),
    ),
    "AccountInfo": (
        *("login", "server", "company", "currency", "currency_digits", "leverage", "margin_mode", "trade_allowed"),
        *("trade_expert", "balance", "equity", "margin", "margin_free", "profit"),
    ),
    "TerminalInfo": ("connected", "trade_allowed", "tradeapi_disabled", "build", "name"),
    "SymbolInfo": (
        *("name", "description", "path", "visible", "select", "digits", "point", "trade_tick_size"),
        *("trade_contract_size", "volume_min", "volume_max", "volume_step", "trade_stops_level", "trade_freeze_level"),
        *("currency_base", "currency_profit", "currency_margin", "trade_mode", "trade_exemode", "filling_mode"),
        *("expiration_mode", "swap_mode", "swap_long", "swap_short", "bid", "ask", "time", "trade_tick_value"),
    ),
}
"""What we read of the package's structures."""
REQUEST_FIELDS: Final = (
    *("action", "magic", "order", "symbol", "volume", "price", "sl", "tp", "deviation", "type", "type_filling"),
    *("type_time", "expiration", "comment", "position", "position_by"),
)
"""What we write into a request (TradeRequest)."""


def missing_from(module: Any) -> list[str]:
    """What a module lacks of what we use, or has otherwise, in words; empty: all is there.

    Structures are only looked at where the module shows their fields (`_asdict` of an instance would need a terminal).
    """
    found = [f"the function {name} is missing" for name in FUNCTIONS if not callable(getattr(module, name, None))]
    for name, value in CONSTANTS.items():
        has = getattr(module, name, None)
        if has is None:
            found.append(f"the constant {name} is missing")
        elif has != value:
            found.append(f"the constant {name} is {has!r}, and {value} is expected")
    for name, fields in FIELDS.items():
        kind = getattr(module, name, None)
        if kind is not None:
            found += [f"the structure {name} has no field {field}" for field in fields if not hasattr(kind, field)]
    return found
