"""The package's functions. Names and parameters are its own, and so is what takes keywords and what does not."""

# ruff: noqa: N802 - the names are the package's

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from quantmind.testing.mt5 import constants as c
from quantmind.testing.mt5.connection import Connection
from quantmind.testing.mt5.structures import (
    AccountInfo,
    BookInfo,
    OrderCheckResult,
    OrderSendResult,
    RecordArray,
    SymbolInfo,
    TerminalInfo,
    Tick,
    TradeDeal,
    TradeOrder,
    TradePosition,
    TradeRequest,
)

_TICKS: Final = ("time", "bid", "ask", "last", "volume", "time_msc", "flags", "volume_real")
_RATES: Final = ("time", "open", "high", "low", "close", "tick_volume", "spread", "real_volume")
_SECONDS: Final = {
    **{minutes: minutes * 60 for minutes in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)},
    **{16384 + hours: hours * 3600 for hours in (1, 2, 3, 4, 6, 8, 12, 24)},
    c.TIMEFRAME_W1: 7 * 86_400,
    c.TIMEFRAME_MN1: 30 * 86_400,
}
_terminal: Final = Connection()


def initialize(
    path: str | None = None,
    /,
    *,
    login: int | None = None,
    password: str | None = None,
    server: str | None = None,
    timeout: int = 60_000,
    portable: bool = False,
) -> bool:
    """Establish connection to MetaTrader 5 terminal."""
    del portable
    if not _terminal.open(path, timeout / 1000):
        return False
    if _terminal.call("initialize", login=login, password=password, server=server) is None:
        _terminal.close()
        return False
    return True


def shutdown() -> None:
    """Disconnect from MetaTrader 5 terminal."""
    _terminal.close()


def last_error() -> tuple[int, str]:
    """Return last error code and description."""
    return _terminal.error


def login(login: int, /, *, password: str | None = None, server: str | None = None, timeout: int = 60_000) -> bool:
    """Log in to specific account."""
    del timeout
    return _terminal.call("initialize", login=login, password=password, server=server) is not None


def version() -> tuple[int, int, str] | None:
    """Get MetaTrader 5 terminal version."""
    found = _terminal.call("version")
    return None if found is None else (found[0], found[1], found[2])


def terminal_info() -> Any:
    """Get parameters of MetaTrader 5 terminal."""
    return _one(TerminalInfo, _terminal.call("terminal_info"))


def account_info() -> Any:
    """Return information on the current account."""
    return _one(AccountInfo, _terminal.call("account_info"))


def copy_ticks_from(symbol: str, date_from: Any, count: int, flags: int, /) -> Any:
    """Get ticks starting from specific date."""
    rows = _terminal.call("copy_ticks_from", symbol=symbol, date_from=_seconds(date_from), count=count, flags=flags)
    return None if rows is None else RecordArray(_TICKS, rows)


def copy_ticks_range(symbol: str, date_from: Any, date_to: Any, flags: int, /) -> Any:
    """Get ticks from specified period."""
    begin, end = _seconds(date_from), _seconds(date_to)
    rows = _terminal.call("copy_ticks_range", symbol=symbol, date_from=begin, date_to=end, flags=flags)
    return None if rows is None else RecordArray(_TICKS, rows)


def copy_rates_from(symbol: str, timeframe: int, date_from: Any, count: int, /) -> Any:
    """Get bars starting from specific date."""
    return _rates(symbol, timeframe, until=_seconds(date_from), newest=count)


def copy_rates_from_pos(symbol: str, timeframe: int, start_pos: int, count: int, /) -> Any:
    """Get bars starting from specified position."""
    rows = _rates(symbol, timeframe, newest=start_pos + count)
    if rows is None:
        return None
    kept = [dict(zip(_RATES, (row[name] for name in _RATES), strict=True)) for row in rows]
    return RecordArray(_RATES, kept[: max(0, len(kept) - start_pos)])


def copy_rates_range(symbol: str, timeframe: int, date_from: Any, date_to: Any, /) -> Any:
    """Get bars from specified period."""
    return _rates(symbol, timeframe, since=_seconds(date_from), until=_seconds(date_to))


def positions_total() -> int | None:
    """Return the number of open positions."""
    found: int | None = _terminal.call("positions_total")
    return found


def positions_get(*, symbol: str | None = None, ticket: int | None = None, group: str | None = None) -> Any:
    """Return all open positions, can be filtered by symbol, group or ticket."""
    return _rows(TradePosition, _terminal.call("positions_get", symbol=symbol, ticket=ticket, group=group))


def orders_total() -> int | None:
    """Return the number of orders."""
    found: int | None = _terminal.call("orders_total")
    return found


def orders_get(*, symbol: str | None = None, ticket: int | None = None, group: str | None = None) -> Any:
    """Return all orders, can be filtered by symbol, group or ticket."""
    return _rows(TradeOrder, _terminal.call("orders_get", symbol=symbol, ticket=ticket, group=group))


def history_orders_total(date_from: Any, date_to: Any, /) -> int | None:
    """Return the number of orders in selected range from history."""
    found: int | None = _terminal.call("history_orders_total", date_from=_seconds(date_from), date_to=_seconds(date_to))
    return found


def history_orders_get(
    date_from: Any = None,
    date_to: Any = None,
    *,
    group: str | None = None,
    ticket: int | None = None,
    position: int | None = None,
) -> Any:
    """Return orders in selected range from history or filtered by position id, ticket."""
    begin, end = _seconds(date_from), _seconds(date_to)
    found = _terminal.call(
        "history_orders_get", date_from=begin, date_to=end, group=group, ticket=ticket, position=position
    )
    return _rows(TradeOrder, found)


def history_deals_total(date_from: Any, date_to: Any, /) -> int | None:
    """Return the number of deals in selected range from history."""
    found: int | None = _terminal.call("history_deals_total", date_from=_seconds(date_from), date_to=_seconds(date_to))
    return found


def history_deals_get(
    date_from: Any = None,
    date_to: Any = None,
    *,
    group: str | None = None,
    ticket: int | None = None,
    position: int | None = None,
) -> Any:
    """Return deals in selected range from history or filtered by position id, ticket."""
    begin, end = _seconds(date_from), _seconds(date_to)
    found = _terminal.call(
        "history_deals_get", date_from=begin, date_to=end, group=group, ticket=ticket, position=position
    )
    return _rows(TradeDeal, found)


def order_check(request: dict[str, Any]) -> Any:
    """Check if there are enough funds to execute required trading operation."""
    return _with_request(OrderCheckResult, _terminal.call("order_check", request=_plain(request)))


def order_send(request: dict[str, Any]) -> Any:
    """Send trading requests to server."""
    return _with_request(OrderSendResult, _terminal.call("order_send", request=_plain(request)))


def order_calc_margin(action: int, symbol: str, volume: float, price: float, /) -> float | None:
    """Calculate margin required for specified order."""
    found: float | None = _terminal.call("order_calc_margin", action=action, symbol=symbol, volume=volume, price=price)
    return found


def order_calc_profit(
    action: int, symbol: str, volume: float, price_open: float, price_close: float, /
) -> float | None:
    """Calculate profit for the current account in the current market conditions based on parameters passed."""
    found: float | None = _terminal.call(
        "order_calc_profit",
        action=action,
        symbol=symbol,
        volume=volume,
        price_open=price_open,
        price_close=price_close,
    )
    return found


def symbol_info(symbol: str, /) -> Any:
    """Return full information for specified symbol."""
    return _one(SymbolInfo, _terminal.call("symbol_info", symbol=symbol))


def symbol_info_tick(symbol: str, /) -> Any:
    """Return current prices of specified symbol."""
    return _one(Tick, _terminal.call("symbol_info_tick", symbol=symbol))


def symbol_select(symbol: str, enable: bool = True, /) -> bool:
    """Select symbol in Market Watch window or remove symbol from the window."""
    return bool(_terminal.call("symbol_select", symbol=symbol, enable=enable))


def symbols_total() -> int | None:
    """Return the number of all available symbols."""
    found: int | None = _terminal.call("symbols_total")
    return found


def symbols_get(group: str | None = None) -> Any:
    """Return all available symbols or filtred by group."""
    return _rows(SymbolInfo, _terminal.call("symbols_get", group=group))


def market_book_add(symbol: str, /) -> bool:
    """Opens Depth of Market for a selected symbol."""
    return bool(_terminal.call("market_book_add", symbol=symbol))


def market_book_release(symbol: str, /) -> bool:
    """Closes Depth of Market for a selected symbol."""
    return bool(_terminal.call("market_book_release", symbol=symbol))


def market_book_get(symbol: str, /) -> Any:
    """Returns Depth of Market structures of a specified symbol."""
    return _rows(BookInfo, _terminal.call("market_book_get", symbol=symbol))


# --- the package's helpers -------------------------------------------------------------------------------------------


def Buy(
    symbol: str, volume: float, price: float | None = None, *, comment: str | None = None, ticket: int | None = None
) -> Any:
    """Buy at the market, once."""
    return _deal(c.ORDER_TYPE_BUY, symbol, volume, price, comment, ticket)


def Sell(
    symbol: str, volume: float, price: float | None = None, *, comment: str | None = None, ticket: int | None = None
) -> Any:
    """Sell at the market, once."""
    return _deal(c.ORDER_TYPE_SELL, symbol, volume, price, comment, ticket)


def Close(symbol: str, *, comment: str | None = None, ticket: int | None = None) -> Any:
    """Close the positions of a symbol, or one: True, "Partially" or False for how many were, None on failure."""
    positions = positions_get(symbol=symbol) if ticket is None else positions_get(ticket=ticket)
    if positions is None:
        return None
    done = 0
    for position in positions:
        kind = c.ORDER_TYPE_SELL if position.type == c.POSITION_TYPE_BUY else c.ORDER_TYPE_BUY
        result = _deal(kind, symbol, position.volume, None, comment, position.ticket)
        done += result is not None and result.retcode == c.TRADE_RETCODE_DONE
    return True if done == len(positions) else "Partially" if done else False


def _deal(kind: int, symbol: str, volume: float, price: float | None, comment: str | None, ticket: int | None) -> Any:
    request: dict[str, Any] = {
        "action": c.TRADE_ACTION_DEAL,
        "symbol": symbol,
        "volume": float(volume),
        "type": kind,
        "deviation": 10,
    }
    if price is None:
        tick = symbol_info_tick(symbol)
        if tick is None:
            return None
        price = tick.ask if kind == c.ORDER_TYPE_BUY else tick.bid
    request["price"] = price
    if comment is not None:
        request["comment"] = comment
    if ticket is not None:
        request["position"] = ticket
    return order_send(request)


# --- inside ----------------------------------------------------------------------------------------------------------


def _rates(symbol: str, timeframe: int, **which: Any) -> Any:
    seconds = _SECONDS.get(timeframe)
    if seconds is None:
        _terminal.fail(c.RES_E_INVALID_PARAMS, 'Invalid "timeframe" argument')
        return None
    rows = _terminal.call("copy_rates", symbol=symbol, seconds=seconds, **which)
    return None if rows is None else RecordArray(_RATES, rows)


def _one(kind: Callable[[Any], Any], row: dict[str, Any] | None) -> Any:
    return None if row is None else kind(row.values())


def _rows(kind: Callable[[Any], Any], rows: Any) -> Any:
    return None if rows is None else tuple(kind(row.values()) for row in rows)


def _with_request(kind: Callable[[Any], Any], row: dict[str, Any] | None) -> Any:
    if row is None:
        return None
    return kind({**row, "request": TradeRequest(row["request"].values())}.values())


def _plain(request: Any) -> dict[str, Any]:
    if not isinstance(request, dict):
        raise TypeError(f"a request must be a dict, was {type(request).__name__}")
    return request


def _seconds(at: Any) -> int | None:
    if isinstance(at, datetime):
        return int((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp())
    return None if at is None else int(at)
