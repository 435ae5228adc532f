"""A module with the surface of MetaTrader5 5.0.6231, whose terminal is a `FakeTerminal` in another process.

Names, order of parameters and fields, constants and the way in which failures are told are the package's: None or
False, and why in `last_error()`. What takes no keywords there takes none here. Its helpers Buy, Sell and Close send
once here, where the package's send up to ten times; use neither.

`initialize(path)` takes the file that `FakeTerminal.serve` gives, or the one that QUANTMIND_FAKE_TERMINAL names. As
with the package there is one terminal for a process, and calls block it.
"""

from quantmind.testing.mt5.calls import (
    Buy as Buy,
)
from quantmind.testing.mt5.calls import (
    Close as Close,
)
from quantmind.testing.mt5.calls import (
    Sell as Sell,
)
from quantmind.testing.mt5.calls import (
    account_info as account_info,
)
from quantmind.testing.mt5.calls import (
    copy_rates_from as copy_rates_from,
)
from quantmind.testing.mt5.calls import (
    copy_rates_from_pos as copy_rates_from_pos,
)
from quantmind.testing.mt5.calls import (
    copy_rates_range as copy_rates_range,
)
from quantmind.testing.mt5.calls import (
    copy_ticks_from as copy_ticks_from,
)
from quantmind.testing.mt5.calls import (
    copy_ticks_range as copy_ticks_range,
)
from quantmind.testing.mt5.calls import (
    history_deals_get as history_deals_get,
)
from quantmind.testing.mt5.calls import (
    history_deals_total as history_deals_total,
)
from quantmind.testing.mt5.calls import (
    history_orders_get as history_orders_get,
)
from quantmind.testing.mt5.calls import (
    history_orders_total as history_orders_total,
)
from quantmind.testing.mt5.calls import (
    initialize as initialize,
)
from quantmind.testing.mt5.calls import (
    last_error as last_error,
)
from quantmind.testing.mt5.calls import (
    login as login,
)
from quantmind.testing.mt5.calls import (
    market_book_add as market_book_add,
)
from quantmind.testing.mt5.calls import (
    market_book_get as market_book_get,
)
from quantmind.testing.mt5.calls import (
    market_book_release as market_book_release,
)
from quantmind.testing.mt5.calls import (
    order_calc_margin as order_calc_margin,
)
from quantmind.testing.mt5.calls import (
    order_calc_profit as order_calc_profit,
)
from quantmind.testing.mt5.calls import (
    order_check as order_check,
)
from quantmind.testing.mt5.calls import (
    order_send as order_send,
)
from quantmind.testing.mt5.calls import (
    orders_get as orders_get,
)
from quantmind.testing.mt5.calls import (
    orders_total as orders_total,
)
from quantmind.testing.mt5.calls import (
    positions_get as positions_get,
)
from quantmind.testing.mt5.calls import (
    positions_total as positions_total,
)
from quantmind.testing.mt5.calls import (
    shutdown as shutdown,
)
from quantmind.testing.mt5.calls import (
    symbol_info as symbol_info,
)
from quantmind.testing.mt5.calls import (
    symbol_info_tick as symbol_info_tick,
)
from quantmind.testing.mt5.calls import (
    symbol_select as symbol_select,
)
from quantmind.testing.mt5.calls import (
    symbols_get as symbols_get,
)
from quantmind.testing.mt5.calls import (
    symbols_total as symbols_total,
)
from quantmind.testing.mt5.calls import (
    terminal_info as terminal_info,
)
from quantmind.testing.mt5.calls import (
    version as version,
)
from quantmind.testing.mt5.constants import *  # noqa: F403 - all of them are the module's
from quantmind.testing.mt5.structures import (
    AccountInfo as AccountInfo,
)
from quantmind.testing.mt5.structures import (
    BookInfo as BookInfo,
)
from quantmind.testing.mt5.structures import (
    OrderCheckResult as OrderCheckResult,
)
from quantmind.testing.mt5.structures import (
    OrderSendResult as OrderSendResult,
)
from quantmind.testing.mt5.structures import (
    SymbolInfo as SymbolInfo,
)
from quantmind.testing.mt5.structures import (
    TerminalInfo as TerminalInfo,
)
from quantmind.testing.mt5.structures import (
    Tick as Tick,
)
from quantmind.testing.mt5.structures import (
    TradeDeal as TradeDeal,
)
from quantmind.testing.mt5.structures import (
    TradeOrder as TradeOrder,
)
from quantmind.testing.mt5.structures import (
    TradePosition as TradePosition,
)
from quantmind.testing.mt5.structures import (
    TradeRequest as TradeRequest,
)

__version__ = "5.0.6231"
__author__ = "QuantMind"
