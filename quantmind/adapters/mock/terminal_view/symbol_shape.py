"""SymbolInfo: all 96 fields of a symbol in the package's order, 0 or empty where a paper broker has nothing to say."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from quantmind.adapters.mock.account import PaperAccount
from quantmind.adapters.mock.terminal_view.constants import (
    CALC_CFD_LEVERAGE,
    CALC_FOREX,
    EXECUTIONS,
    EXPIRATION_BITS,
    FILLING_BITS,
    ORDER_BITS,
    SWAP_DISABLED,
    SWAP_POINTS,
    TRADE_MODES,
)
from quantmind.domain.symbols import SymbolSpec

_WEDNESDAY = 2
_ZERO = 0.0
_ONE = Decimal(1)


def tick_values(account: PaperAccount, spec: SymbolSpec) -> tuple[float, float]:
    """What a tick of one lot is worth in the account currency: of a profit, and of a loss; 0.0 without a rate.

    rate x tick size x contract in doubles, in this order: so it comes out to the last bit as recorded ones do. The rate
    of a profit is at the cheap side of the spread, that of a loss at the dear one.
    """
    market, target = account.market, account.terms.currency
    values = []
    for paying in (False, True):
        rate = market.convert(_ONE, spec.currency_profit, target, paying=paying)
        values.append(0.0 if rate is None else float(rate) * float(spec.tick_size) * float(spec.contract_size))
    return values[0], values[1]


def symbol_shape(account: PaperAccount, spec: SymbolSpec, offset_s: int) -> dict[str, Any]:
    """SymbolInfo of a symbol of the account."""
    terms, quote = account.terms_of(spec.name), account.market.quotes.get(spec.name)
    price = account.market.price(spec.name)
    bid, ask = (0.0, 0.0) if quote is None else (quote.bid, quote.ask)
    profit_value, loss_value = tick_values(account, spec)
    forex = spec.currency_base != spec.currency_profit
    charged = account.terms.rollover is not None and bool(spec.swap_long or spec.swap_short)
    triple = _WEDNESDAY if account.terms.rollover is None else account.terms.rollover.triple_day
    group = (spec.description.split() or ["Symbols"])[0]
    return {
        "custom": False,
        "chart_mode": 0,
        "select": True,
        "visible": True,
        "session_deals": 0,
        "session_buy_orders": sum(each.symbol == spec.name and each.side.sign > 0 for each in account.orders()),
        "session_sell_orders": sum(each.symbol == spec.name and each.side.sign < 0 for each in account.orders()),
        "volume": 0,
        "volumehigh": 0,
        "volumelow": 0,
        "time": 0 if quote is None else quote.time_msc // 1000 + offset_s,
        "digits": spec.digits,
        "spread": 0 if price is None else int((price.ask - price.bid) / spec.point),
        "spread_float": True,
        "ticks_bookdepth": 0,
        "trade_calc_mode": CALC_FOREX if forex else CALC_CFD_LEVERAGE,
        "trade_mode": TRADE_MODES[spec.trade_mode],
        "start_time": 0,
        "expiration_time": 0,
        "trade_stops_level": spec.stops_level,
        "trade_freeze_level": spec.freeze_level,
        "trade_exemode": EXECUTIONS[spec.execution],
        "swap_mode": SWAP_POINTS if charged else SWAP_DISABLED,
        # A terminal counts the days from Sunday.
        "swap_rollover3days": (triple + 1) % 7,
        "margin_hedged_use_leg": False,
        "expiration_mode": EXPIRATION_BITS,
        "filling_mode": sum(FILLING_BITS[each] for each in spec.fillings),
        "order_mode": sum(ORDER_BITS[each] for each in terms.order_kinds),
        "order_gtc_mode": 0,
        "option_mode": 0,
        "option_right": 0,
        "bid": bid,
        "bidhigh": _ZERO,
        "bidlow": _ZERO,
        "ask": ask,
        "askhigh": _ZERO,
        "asklow": _ZERO,
        "last": _ZERO if quote is None else quote.last,
        "lasthigh": _ZERO,
        "lastlow": _ZERO,
        "volume_real": _ZERO if quote is None else quote.volume,
        "volumehigh_real": _ZERO,
        "volumelow_real": _ZERO,
        "option_strike": _ZERO,
        "point": float(spec.point),
        "trade_tick_value": profit_value,
        "trade_tick_value_profit": profit_value,
        "trade_tick_value_loss": loss_value,
        "trade_tick_size": float(spec.tick_size),
        "trade_contract_size": float(spec.contract_size),
        "trade_accrued_interest": _ZERO,
        "trade_face_value": _ZERO,
        "trade_liquidity_rate": _ZERO,
        "volume_min": float(spec.volume_min),
        "volume_max": float(spec.volume_max),
        "volume_step": float(spec.volume_step),
        "volume_limit": _ZERO,
        "swap_long": float(spec.swap_long),
        "swap_short": float(spec.swap_short),
        "margin_initial": _ZERO,
        "margin_maintenance": _ZERO,
        "session_volume": _ZERO,
        "session_turnover": _ZERO,
        "session_interest": _ZERO,
        "session_buy_orders_volume": _waiting_lots(account, spec.name, 1),
        "session_sell_orders_volume": _waiting_lots(account, spec.name, -1),
        "session_open": _ZERO,
        "session_close": _ZERO,
        "session_aw": _ZERO,
        "session_price_settlement": _ZERO,
        "session_price_limit_min": _ZERO,
        "session_price_limit_max": _ZERO,
        "margin_hedged": float(spec.contract_size),
        "price_change": _ZERO,
        "price_volatility": _ZERO,
        "price_theoretical": _ZERO,
        "price_greeks_delta": _ZERO,
        "price_greeks_theta": _ZERO,
        "price_greeks_gamma": _ZERO,
        "price_greeks_vega": _ZERO,
        "price_greeks_rho": _ZERO,
        "price_greeks_omega": _ZERO,
        "price_sensitivity": _ZERO,
        "basis": "",
        "category": "",
        "currency_base": spec.currency_base,
        "currency_profit": spec.currency_profit,
        "currency_margin": spec.currency_margin,
        "bank": "",
        "description": spec.description,
        "exchange": "",
        "formula": "",
        "isin": "",
        "name": spec.name,
        "page": "",
        "path": f"{group}\\{spec.name}",
    }


def _waiting_lots(account: PaperAccount, symbol: str, sign: int) -> float:
    lots = [each.volume for each in account.orders() if each.symbol == symbol and each.side.sign == sign]
    return float(sum(lots))
