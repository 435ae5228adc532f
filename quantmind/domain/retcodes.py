"""MetaTrader 5 trade server return codes: name, plain sentence, way out.

Numbers and names are those of the MetaTrader5 package 5.0.6231 (TRADE_RETCODE_*); 10046 is MQL5's.
"""

from __future__ import annotations

import enum


class Retcode(enum.IntEnum):
    REQUOTE = 10004
    REJECT = 10006
    CANCEL = 10007
    PLACED = 10008
    DONE = 10009
    DONE_PARTIAL = 10010
    ERROR = 10011
    TIMEOUT = 10012
    INVALID = 10013
    INVALID_VOLUME = 10014
    INVALID_PRICE = 10015
    INVALID_STOPS = 10016
    TRADE_DISABLED = 10017
    MARKET_CLOSED = 10018
    NO_MONEY = 10019
    PRICE_CHANGED = 10020
    PRICE_OFF = 10021
    INVALID_EXPIRATION = 10022
    ORDER_CHANGED = 10023
    TOO_MANY_REQUESTS = 10024
    NO_CHANGES = 10025
    SERVER_DISABLES_AT = 10026
    CLIENT_DISABLES_AT = 10027
    LOCKED = 10028
    FROZEN = 10029
    INVALID_FILL = 10030
    CONNECTION = 10031
    ONLY_REAL = 10032
    LIMIT_ORDERS = 10033
    LIMIT_VOLUME = 10034
    INVALID_ORDER = 10035
    POSITION_CLOSED = 10036
    INVALID_CLOSE_VOLUME = 10038
    CLOSE_ORDER_EXIST = 10039
    LIMIT_POSITIONS = 10040
    REJECT_CANCEL = 10041
    LONG_ONLY = 10042
    SHORT_ONLY = 10043
    CLOSE_ONLY = 10044
    FIFO_CLOSE = 10045
    HEDGE_PROHIBITED = 10046


SUCCESSES = frozenset({Retcode.PLACED, Retcode.DONE, Retcode.DONE_PARTIAL})
"""The request was carried out, at least in part."""

AMBIGUOUS = frozenset({Retcode.TIMEOUT, Retcode.CONNECTION})
"""The request may or may not have been carried out: reconcile, never resend."""

_SENTENCES: dict[Retcode, str] = {
    Retcode.REQUOTE: "The price moved before the order was filled; ask again at the new price.",
    Retcode.REJECT: "The broker rejected the request; its comment says why.",
    Retcode.CANCEL: "The request was cancelled by the trader at the terminal.",
    Retcode.PLACED: "The order was placed.",
    Retcode.DONE: "The request was carried out.",
    Retcode.DONE_PARTIAL: "Only a part of the volume was filled; look at the volume in the reply.",
    Retcode.ERROR: "The broker could not process the request; try again, and ask the broker if it repeats.",
    Retcode.TIMEOUT: "The broker did not answer in time; what became of the request is not known yet.",
    Retcode.INVALID: "The request is not valid as a whole; check that its fields fit its type.",
    Retcode.INVALID_VOLUME: "The volume is not tradable; use a multiple of the step between minimum and maximum.",
    Retcode.INVALID_PRICE: "The price is not valid; use the symbol's digits and the right side of the market.",
    Retcode.INVALID_STOPS: "Stop loss or take profit is on the wrong side or too near; keep the stops level away.",
    Retcode.TRADE_DISABLED: "Trading is disabled for this account or symbol; ask the broker.",
    Retcode.MARKET_CLOSED: "The market is closed; wait for the symbol's session.",
    Retcode.NO_MONEY: "There is not enough free margin; lower the volume or close a position.",
    Retcode.PRICE_CHANGED: "The price changed; ask again at the new price.",
    Retcode.PRICE_OFF: "There is no price for this symbol now; wait for a tick.",
    Retcode.INVALID_EXPIRATION: "The order's expiration is not valid; use a later time or none.",
    Retcode.ORDER_CHANGED: "The order's state changed meanwhile; read it again before you act.",
    Retcode.TOO_MANY_REQUESTS: "Too many requests; slow down.",
    Retcode.NO_CHANGES: "Nothing would change: stop loss and take profit are already so.",
    Retcode.SERVER_DISABLES_AT: "Automated trading is switched off by the broker's server; ask the broker.",
    Retcode.CLIENT_DISABLES_AT: "Algo Trading is switched off in the terminal; press its button.",
    Retcode.LOCKED: "The request is locked while it is processed; wait for its outcome.",
    Retcode.FROZEN: "The order or position is too near the market to be changed (freeze level).",
    Retcode.INVALID_FILL: "The filling mode is not allowed for this symbol; use one of the symbol's own.",
    Retcode.CONNECTION: "There is no connection to the trade server; the outcome is not known yet.",
    Retcode.ONLY_REAL: "This is allowed on real accounts only.",
    Retcode.LIMIT_ORDERS: "The number of pending orders has reached the broker's limit; cancel one.",
    Retcode.LIMIT_VOLUME: "The volume for this symbol has reached the broker's limit; close a part.",
    Retcode.INVALID_ORDER: "The order type is wrong or not allowed for this symbol.",
    Retcode.POSITION_CLOSED: "The position is not open (any more); read the positions again.",
    Retcode.INVALID_CLOSE_VOLUME: "The volume to close is above the position's; close at most what is open.",
    Retcode.CLOSE_ORDER_EXIST: "A closing order for this position is already there; wait for its outcome.",
    Retcode.LIMIT_POSITIONS: "The number of open positions has reached the account's limit; close one.",
    Retcode.REJECT_CANCEL: "The pending order was rejected when its price came, and is gone; no position was opened.",
    Retcode.LONG_ONLY: "Only long positions are allowed for this symbol.",
    Retcode.SHORT_ONLY: "Only short positions are allowed for this symbol.",
    Retcode.CLOSE_ONLY: "This symbol may only be closed; no new positions.",
    Retcode.FIFO_CLOSE: "This account closes the oldest position first (FIFO); close that one.",
    Retcode.HEDGE_PROHIBITED: "This account does not allow opposite positions; close the other one first.",
}


def sentence(retcode: int) -> str:
    """What the code means and what to do, in plain words; also for a code we don't know."""
    try:
        return _SENTENCES[Retcode(retcode)]
    except ValueError:
        return f"The broker answered with code {retcode}, which is not in MetaTrader 5's list; ask the broker."
