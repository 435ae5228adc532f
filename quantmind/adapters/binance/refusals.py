"""What the exchange's errors come to: a return code of ours, and a sentence with the way out.

Numbers are those of Binance's error pages of spot and of USD-M futures. A few mean one thing here and another there
(-2021, -2022, -2026); the words tell which it is.
"""

from __future__ import annotations

import re
from typing import Final

from quantmind.adapters.binance.errors import BinanceError, Refusal
from quantmind.domain.orders import Refused
from quantmind.domain.retcodes import Retcode

LONGEST: Final = 400
"""Characters of a comment."""

UNKNOWN_CODES: Final = frozenset({-1000, -1001, -1006, -1007})
"""With these nobody can say what became of a request: an unknown error, a lost message bus, no answer in time."""

_Verdict = tuple[Retcode, str]

_NO_MONEY: Final = (
    "There is not enough free balance for this; lower the quantity, or take back an order that locks some."
)
_NO_MARGIN: Final = "There is not enough margin for this; lower the quantity, or close a position."
_DUPLICATE: Final = "An open order has this client order id already; look at the open orders before you send it again."
_TRIGGERS: Final = (
    "The market is beyond this stop already, so it would be set off at once; use a price on its other side."
)
_TAKES: Final = "The price is on the other side of the market, and the order may only wait; use a price that waits."
_CLOSED: Final = "The symbol does not trade now; wait until Binance opens it."
_ABSENT: Final = "There is no such open order (any more); read the orders again."
_SWITCHED_OFF: Final = "This account may not trade; ask Binance what it is missing."
_RIGHTS: Final = (
    "The API key is not taken: check that it is of this exchange (and not of its testnet), that this address is on its "
    "list, and that it may trade."
)
_TOO_MANY: Final = "Binance limits how much may be asked for, and it was too much; slow down."
_TOO_MANY_ORDERS: Final = "Binance limits how many orders may be placed in a time, and it was too many; slow down."
_ORDERS_FULL: Final = "There are as many open orders as Binance allows; take one back."
_TIMESTAMP: Final = "The time of the request was off by too much; nothing was done, and the clocks are compared again."
_BAD_PARAMETER: Final = "Binance did not take a parameter of the request; what it says tells which one."
_NO_SYMBOL: Final = "Binance does not trade this symbol; check its name in the configuration."
_PRICE_STEP: Final = (
    "The price is not on the symbol's grid or beyond its bounds; use a multiple of the tick size within them."
)
_PRICE_FAR: Final = "The price is farther from the market than the symbol allows; use one that is nearer."
_QUANTITY: Final = "The quantity is not tradable; use a multiple of the step between minimum and maximum."
_NOTIONAL: Final = "The order is worth too little or too much (price times quantity); use another quantity."
_NO_CHANGE: Final = "Nothing would change: it is so already."
OPEN_FIRST: Final = (-4047, -4048, -4067, -4068, -4161)
"""A setting of the account can't be changed while orders or positions are open."""
_OPEN_FIRST: Final = "This can't be changed while orders or positions are open; close them first."
_NO_TYPE: Final = "The symbol does not take orders of this type; use another one."
_REDUCE: Final = "It would not make a position smaller: it is closed already, or other orders close all of it."
_ONLY_REDUCE: Final = "Only orders that make a position smaller are taken here for now."
_MODE: Final = "The position side does not fit the account's position mode; set the mode as the configuration says."
_ALGO: Final = "Orders of this type are placed as conditional orders, and not as plain ones; report this as a fault."
_LEVERAGE: Final = "This leverage is not allowed for the symbol or the account; use a lower one."
_RESTRICTED: Final = "Binance does not let this account trade this symbol from where it is."

_BY_FILTER: Final[dict[str, _Verdict]] = {
    "PRICE_FILTER": (Retcode.INVALID_PRICE, _PRICE_STEP),
    "PERCENT_PRICE": (Retcode.INVALID_PRICE, _PRICE_FAR),
    "PERCENT_PRICE_BY_SIDE": (Retcode.INVALID_PRICE, _PRICE_FAR),
    "LOT_SIZE": (Retcode.INVALID_VOLUME, _QUANTITY),
    "MARKET_LOT_SIZE": (Retcode.INVALID_VOLUME, _QUANTITY),
    "MIN_NOTIONAL": (Retcode.INVALID_VOLUME, _NOTIONAL),
    "NOTIONAL": (Retcode.INVALID_VOLUME, _NOTIONAL),
    "MAX_POSITION": (Retcode.LIMIT_VOLUME, "The account holds as much of this as Binance allows; sell some first."),
    "MAX_NUM_ORDERS": (Retcode.LIMIT_ORDERS, _ORDERS_FULL),
    "MAX_NUM_ALGO_ORDERS": (Retcode.LIMIT_ORDERS, _ORDERS_FULL),
    "MAX_NUM_ICEBERG_ORDERS": (Retcode.LIMIT_ORDERS, _ORDERS_FULL),
    "MAX_NUM_ORDER_LISTS": (Retcode.LIMIT_ORDERS, _ORDERS_FULL),
    "MAX_NUM_ORDER_AMENDS": (
        Retcode.LIMIT_ORDERS,
        "The order was changed as often as Binance allows; place a new one.",
    ),
    "EXCHANGE_MAX_NUM_ORDERS": (Retcode.LIMIT_ORDERS, _ORDERS_FULL),
    "EXCHANGE_MAX_NUM_ALGO_ORDERS": (Retcode.LIMIT_ORDERS, _ORDERS_FULL),
    "EXCHANGE_MAX_NUM_ICEBERG_ORDERS": (Retcode.LIMIT_ORDERS, _ORDERS_FULL),
    "EXCHANGE_MAX_NUM_ORDER_LISTS": (Retcode.LIMIT_ORDERS, _ORDERS_FULL),
    "TRAILING_DELTA": (Retcode.INVALID_STOPS, "The trailing distance is outside of the symbol's bounds; use another."),
}

# Of -1010, -1013, -2010 and -2011, looked for in this order.
_BY_WORDS: Final[tuple[tuple[str, _Verdict], ...]] = (
    ("insufficient balance", (Retcode.NO_MONEY, _NO_MONEY)),
    ("duplicate order", (Retcode.REJECT, _DUPLICATE)),
    ("trigger immediately", (Retcode.INVALID_STOPS, _TRIGGERS)),
    ("immediately match and take", (Retcode.INVALID_PRICE, _TAKES)),
    ("market is closed", (Retcode.MARKET_CLOSED, _CLOSED)),
    ("unknown order", (Retcode.INVALID, _ABSENT)),
    ("cancel restrictions", (Retcode.ORDER_CHANGED, "The order's state does not allow this; read it again.")),
    (
        "relationship of the prices",
        (Retcode.INVALID_STOPS, "The stops are on the wrong sides of the market; swap them."),
    ),
    ("orders are not support", (Retcode.INVALID_ORDER, _NO_TYPE)),
    ("unsupported order combination", (Retcode.INVALID_ORDER, _NO_TYPE)),
    ("is not supported for this symbol", (Retcode.INVALID_ORDER, _NO_TYPE)),
    ("qty is zero or less", (Retcode.INVALID_VOLUME, _NOTIONAL)),
    ("invalid quantity", (Retcode.INVALID_VOLUME, _QUANTITY)),
    ("invalid price", (Retcode.INVALID_PRICE, _PRICE_STEP)),
    ("invalid stoplossprice", (Retcode.INVALID_STOPS, _PRICE_STEP)),
    ("not permitted for this account", (Retcode.TRADE_DISABLED, _RESTRICTED)),
    ("is restricted for this account", (Retcode.TRADE_DISABLED, _RESTRICTED)),
    ("may not place or cancel", (Retcode.TRADE_DISABLED, _SWITCHED_OFF)),
    ("is disabled on this account", (Retcode.TRADE_DISABLED, _SWITCHED_OFF)),
    ("trading is not enabled", (Retcode.SERVER_DISABLES_AT, "Binance takes no orders here for now; try again later.")),
    ("liquidity is less", (Retcode.PRICE_OFF, "There is too little in the order book; wait, or use a limit order.")),
)
_WORDED: Final = frozenset({-1010, -1013, -2010, -2011})

_BY_CODE: Final[dict[int, _Verdict]] = {
    **dict.fromkeys((-1002, -1011, -1099, -2008, -2014, -2015), (Retcode.TRADE_DISABLED, _RIGHTS)),
    **dict.fromkeys((-1014, -1116, -1158, -4139, -5025), (Retcode.INVALID_ORDER, _NO_TYPE)),
    **dict.fromkeys((-2016, -4141, -5024), (Retcode.MARKET_CLOSED, _CLOSED)),
    **dict.fromkeys((-2019, -4050, -4051), (Retcode.NO_MONEY, _NO_MARGIN)),
    **dict.fromkeys((-2021, -4142), (Retcode.INVALID_STOPS, _TRIGGERS)),
    **dict.fromkeys((-2025, -4045), (Retcode.LIMIT_ORDERS, _ORDERS_FULL)),
    **dict.fromkeys((-4001, -4002, -4013, -4014), (Retcode.INVALID_PRICE, _PRICE_STEP)),
    **dict.fromkeys((-4003, -4004, -4005, -4023), (Retcode.INVALID_VOLUME, _QUANTITY)),
    **dict.fromkeys((-4006, -4007, -4135), (Retcode.INVALID_STOPS, _PRICE_STEP)),
    **dict.fromkeys((-4016, -4024, -4183, -4184), (Retcode.INVALID_PRICE, _PRICE_FAR)),
    **dict.fromkeys((-4028, -4202, -4203, -4205, -4206, -4208, -4209, -4403), (Retcode.INVALID, _LEVERAGE)),
    **dict.fromkeys((-4046, -4059, -4171, -5027), (Retcode.NO_CHANGES, _NO_CHANGE)),
    **dict.fromkeys(OPEN_FIRST, (Retcode.REJECT, _OPEN_FIRST)),
    **dict.fromkeys((-4060, -4061, -4062), (Retcode.INVALID, _MODE)),
    **dict.fromkeys((-4087, -4140, -4400, -4401), (Retcode.CLOSE_ONLY, _ONLY_REDUCE)),
    **dict.fromkeys((-4164, -5029), (Retcode.INVALID_VOLUME, _NOTIONAL)),
    **dict.fromkeys((-4210, -4211), (Retcode.INVALID_STOPS, _PRICE_FAR)),
    -1003: (Retcode.TOO_MANY_REQUESTS, _TOO_MANY),
    -1008: (Retcode.TOO_MANY_REQUESTS, "Binance is overloaded; try again in a few minutes (closing goes on)."),
    -1015: (Retcode.TOO_MANY_REQUESTS, _TOO_MANY_ORDERS),
    -1016: (Retcode.SERVER_DISABLES_AT, "Binance has closed this service; look at its announcements."),
    -1020: (Retcode.INVALID_ORDER, "Binance does not do this; look at its announcements."),
    -1021: (Retcode.REJECT, _TIMESTAMP),
    -1022: (Retcode.TRADE_DISABLED, "The signature is not right; check that the secret belongs to the API key."),
    -1111: (Retcode.INVALID, "A price or quantity has more decimal places than the symbol; round it to its grid."),
    -1112: (Retcode.PRICE_OFF, "The order book is empty; wait for a price."),
    -1121: (Retcode.INVALID, _NO_SYMBOL),
    -1165: (Retcode.INVALID_STOPS, "The take profit of a buy must be below the market; use a lower price."),
    -1166: (Retcode.INVALID_STOPS, "The take profit of a sell must be above the market; use a higher price."),
    -1196: (Retcode.INVALID_STOPS, "The stop of a buy must be above the market; use a higher price."),
    -1197: (Retcode.INVALID_STOPS, "The stop of a sell must be below the market; use a lower price."),
    -1198: (Retcode.INVALID_STOPS, "The take profit of a buy must be below the market; use a lower price."),
    -1199: (Retcode.INVALID_STOPS, "The take profit of a sell must be above the market; use a higher price."),
    -2013: (Retcode.INVALID, _ABSENT),
    -2017: (Retcode.TRADE_DISABLED, "The account's API keys are locked; unlock them at Binance."),
    -2018: (Retcode.NO_MONEY, _NO_MONEY),
    -2020: (Retcode.PRICE_OFF, "Nobody is there to trade with at this price; wait, or use another price."),
    -2022: (Retcode.POSITION_CLOSED, _REDUCE),
    -2023: (Retcode.LOCKED, "The account is being liquidated; wait until that is over."),
    -2024: (Retcode.INVALID_CLOSE_VOLUME, "The position is smaller than this; close at most what is open."),
    -2026: (Retcode.INVALID_ORDER, "Orders of this type can't only reduce; use another type."),
    -2027: (Retcode.LIMIT_VOLUME, "The position would be larger than its leverage allows; use less of either."),
    -2028: (
        Retcode.NO_MONEY,
        "The leverage is too low for the margin that there is; use a higher one, or less volume.",
    ),
    -4088: (Retcode.TRADE_DISABLED, _SWITCHED_OFF),
    -4109: (Retcode.TRADE_DISABLED, "The futures account is asleep; transfer an amount to its wallet to wake it."),
    -4116: (Retcode.REJECT, _DUPLICATE),
    -4117: (Retcode.ORDER_CHANGED, "The stop is being set off just now; read the orders again."),
    -4118: (Retcode.CLOSE_ORDER_EXIST, _REDUCE),
    -4120: (Retcode.INVALID_ORDER, _ALGO),
    -4130: (
        Retcode.CLOSE_ORDER_EXIST,
        "The position has a stop of this kind at Binance that is not known here; the account is read anew.",
    ),
    -4131: (
        Retcode.PRICE_OFF,
        "The best price of the other side is too far from the mark price; wait, or use a limit order.",
    ),
    -4168: (Retcode.REJECT, "Isolated margin does not go with the multi-assets mode; switch that off at Binance."),
    -4192: (Retcode.TRADE_DISABLED, "The account has a cooling-off period; wait until it is over."),
    -4402: (Retcode.TRADE_DISABLED, _RESTRICTED),
    -4509: (Retcode.POSITION_CLOSED, "There is no position that this order could close; read the positions again."),
    -5021: (
        Retcode.REJECT,
        "All of it could not be filled at once, and a part was not wanted; try again, or take a part.",
    ),
    -5022: (Retcode.INVALID_PRICE, _TAKES),
    -5026: (Retcode.LIMIT_ORDERS, "The order was changed as often as Binance allows; place a new one."),
    -5028: (Retcode.REJECT, "The request took too long to the matching engine and was dropped; ask again."),
    -5040: (Retcode.INVALID_EXPIRATION, "Orders end 10 minutes from now at the earliest; use a later time."),
    -5041: (Retcode.PRICE_OFF, "There is no such price in the order book; wait for one."),
    -5043: (Retcode.LOCKED, "The order is being changed already; wait for the outcome."),
}
_BY_STATUS: Final[dict[int, _Verdict]] = {
    401: (Retcode.TRADE_DISABLED, _RIGHTS),
    403: (
        Retcode.REJECT,
        "Binance's firewall has turned the request away; stop asking for some minutes, and if it goes on ask Binance.",
    ),
    409: (Retcode.REJECT, "Only a part of what was asked for was done; read the orders again."),
    418: (Retcode.TOO_MANY_REQUESTS, _TOO_MANY),
    429: (Retcode.TOO_MANY_REQUESTS, _TOO_MANY),
    451: (Retcode.TRADE_DISABLED, "Binance does not serve the place that this address belongs to; see its terms."),
}
_FILTER: Final = re.compile(r"Filter failure: ([A-Z_]+)")
_HALF: Final[_Verdict] = (
    Retcode.REJECT,
    "Of taking back one order and placing another at least one was refused; read the orders again.",
)
_ARCHIVED: Final[_Verdict] = (Retcode.INVALID, "The order is too old to be read; Binance has archived it.")
_OTHER: Final[_Verdict] = (Retcode.REJECT, "Binance has refused this; what it says tells why.")


def refused(refusal: Refusal) -> Refused:
    """An outcome for whoever asked: our words, then those of the exchange, in 400 printable characters at most."""
    retcode, words = _verdict(refusal)
    number = f" ({refusal.code})" if refusal.code else f" (HTTP {refusal.status})"
    comment = f"{words} Binance: {printable(refusal.said)}{number}" if refusal.said else f"{words}{number}"
    return Refused(int(retcode), comment if len(comment) <= LONGEST else comment[: LONGEST - 3] + "...")


def words_of(error: BinanceError) -> str:
    """What came of a request that had no answer that can be used, in words."""
    return refused(error).comment if isinstance(error, Refusal) and error.code else str(error)


def printable(text: str) -> str:
    """The text with a question mark for what can't be shown."""
    return "".join(each if each.isprintable() else "?" for each in text)


REQUEST_TIMEOUT: Final = 408
"""The exchange's own servers did not answer it in time (derivatives, General Info)."""


def is_unknown(status: int, code: int) -> bool:
    """Whether nobody can say what became of the request: it is looked up, and never sent again.

    Binance says of some 503s that the request has surely failed; only words tell them from the others, and to look up
    costs little, so these are unknown too.
    """
    return status >= 500 or status == REQUEST_TIMEOUT or code in UNKNOWN_CODES


def says_absent(refusal: Refusal) -> bool:
    """Whether the exchange has no such order.

    Said shortly after it was sent it may still come: within recvWindow that proves nothing.
    """
    return refusal.code == -2013 or (refusal.code == -2011 and "unknown order" in refusal.said.lower())


def is_clock(refusal: Refusal) -> bool:
    """Whether it was refused because of its time: nothing was done, and it may be sent again once that is right."""
    return refusal.code == -1021


def is_of_key(refusal: Refusal) -> bool:
    """Whether the key, its secret or its rights are wrong: nothing else of this account will go, either."""
    return refusal.status == 401 or refusal.code in (-1002, -1022, -2008, -2014, -2015, -2017)


def is_ban(status: int) -> bool:
    """Whether nothing more may be sent for now."""
    return status in (418, 429)


def _verdict(refusal: Refusal) -> _Verdict:
    code, said = refusal.code, refusal.said.lower()
    if code in (-2021, -2022) and "cancel-replace" in said:
        return _HALF
    if code == -2026 and "archived" in said:
        return _ARCHIVED
    if code in _WORDED:
        found = _FILTER.search(refusal.said)
        if found is not None and found[1] in _BY_FILTER:
            return _BY_FILTER[found[1]]
        for words, verdict in _BY_WORDS:
            if words in said:
                return verdict
    if code in _BY_CODE:
        return _BY_CODE[code]
    if -1199 <= code <= -1100:
        return Retcode.INVALID, _BAD_PARAMETER
    return _BY_STATUS.get(refusal.status, _OTHER)
