"""Accounts, positions, pending orders and deals as all outside see them: over REST, on channels, in the journal. Pure.

Money in the account currency, volumes in lots, prices in the symbol's quote currency, times in UTC.
"""

from __future__ import annotations

from typing import Any

from quantmind.domain.accounts import Deal, PendingOrder, Position, Sample
from quantmind.domain.clock import iso_from_msc

View = dict[str, Any]


def account(sample: Sample, *, now: float) -> View:
    """An account; `now` is monotonic seconds, `age_ms` how old the sample is."""
    state = sample.account
    level = state.margin_level
    return {
        "broker": sample.broker,
        "login": state.login,
        "server": state.server,
        "currency": state.currency,
        "leverage": state.leverage,
        "margin_mode": state.margin_mode,
        "balance": state.balance,
        "equity": state.equity,
        "margin": state.margin,
        "free_margin": state.margin_free,
        "margin_level": None if level is None else round(level, 2),
        "profit": state.profit,
        "trade_allowed": state.trade_allowed,
        "positions": len(sample.positions),
        "pending_orders": len(sample.orders),
        "age_ms": max(0, round((now - sample.taken_at) * 1000)),
    }


def position(item: Position, broker: str) -> View:
    """An open position."""
    return {
        "ticket": item.ticket,
        "symbol": item.symbol,
        "broker": broker,
        "side": item.side.value,
        "volume": item.volume,
        "price_open": item.price_open,
        "price_current": item.price_current,
        "sl": item.sl,
        "tp": item.tp,
        "profit": item.profit,
        "swap": item.swap,
        "magic": item.magic,
        "comment": item.comment,
        "tag": item.tag or None,
        "time": iso_from_msc(item.time_msc),
        "time_msc": item.time_msc,
    }


def order(item: PendingOrder, broker: str) -> View:
    """A limit or stop order that waits for its price."""
    expiration = item.expiration_msc
    return {
        "ticket": item.ticket,
        "symbol": item.symbol,
        "broker": broker,
        "side": item.side.value,
        "order_type": item.order_type.value,
        "volume": item.volume,
        "price": item.price,
        "sl": item.sl,
        "tp": item.tp,
        "expiration": None if expiration is None else iso_from_msc(expiration),
        "expiration_msc": expiration,
        "magic": item.magic,
        "comment": item.comment,
        "tag": item.tag or None,
        "time": iso_from_msc(item.time_msc),
        "time_msc": item.time_msc,
    }


def deal(item: Deal, broker: str) -> View:
    """One execution."""
    return {
        "ticket": item.ticket,
        "order": item.order,
        "position": item.position,
        "symbol": item.symbol,
        "broker": broker,
        "side": item.side.value,
        "entry": item.entry.value,
        "cause": item.cause.value,
        "volume": item.volume,
        "net_volume": item.change,
        "price": item.price,
        "profit": item.profit,
        "commission": item.commission,
        "swap": item.swap,
        "magic": item.magic,
        "comment": item.comment,
        "tag": item.tag or None,
        "time": iso_from_msc(item.time_msc),
        "time_msc": item.time_msc,
    }
