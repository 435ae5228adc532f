"""Requests about the account of the made-up futures exchange: leverage, modes, the countdown, the listen key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from quantmind.testing.binance.engine import ApiFault, Payload, integer_of, one_of, wanted, yes_or_no
from quantmind.testing.binance.futures_book import OrderBook
from quantmind.testing.binance.futures_checks import symbol_of
from quantmind.testing.binance.futures_conditional import Conditionals

Params = Mapping[str, str]
KEY_LIVES_MS: Final = 3_600_000
MOST_LEVERAGE: Final = 125
_DONE: Final = {"code": 200, "msg": "success"}


@attrs.define(eq=False)
class AccountSettings:
    """Of one account. The margin type is kept and said, and nothing is reckoned by it."""

    book: OrderBook
    conditionals: Conditionals
    _countdowns: dict[str, int] = attrs.field(factory=dict, init=False)
    _key_until: int = attrs.field(default=0, init=False)
    _keys: int = attrs.field(default=0, init=False)

    @property
    def listen_key(self) -> str:
        """The newest one, alive or not."""
        return f"listen-key-{self._keys}"

    def set_leverage(self, params: Params) -> Payload:
        """POST /fapi/v1/leverage."""
        symbol = symbol_of(self.book.symbols, params).name
        wanted(params, "leverage")
        leverage = integer_of(params, "leverage") or 0
        if not 1 <= leverage <= MOST_LEVERAGE:
            raise ApiFault(400, -4028, f"Leverage {leverage} is not valid")
        account, orders = self.book.account, self.book.open_orders()
        before = account.leverages[symbol]
        account.leverages[symbol] = leverage
        if leverage < before and account.available(orders) < 0:
            account.leverages[symbol] = before
            raise ApiFault(400, -2028, "Leverage is smaller than permitted: insufficient margin balance.")
        now = self.book.now()
        self.book.tell({"e": "ACCOUNT_CONFIG_UPDATE", "E": now, "T": now, "ac": {"s": symbol, "l": leverage}})
        return {"leverage": leverage, "maxNotionalValue": "1000000000", "symbol": symbol}

    def set_margin_type(self, params: Params) -> Payload:
        """POST /fapi/v1/marginType."""
        symbol = symbol_of(self.book.symbols, params).name
        fault = ApiFault(400, -1102, "Mandatory parameter 'marginType' was not sent, was empty/null, or malformed.")
        said = one_of(params, "marginType", ("CROSSED", "ISOLATED"), fault)
        if self.book.account.margin_types.get(symbol, "CROSSED") == said:
            raise ApiFault(400, -4046, "No need to change margin type.")
        if self.book.open_orders(symbol):
            raise ApiFault(400, -4047, "Margin type cannot be changed if there exists open orders.")
        if self.book.account.is_held(symbol):
            raise ApiFault(400, -4048, "Margin type cannot be changed if there exists position.")
        self.book.account.margin_types[symbol] = said
        return dict(_DONE)

    def set_mode(self, params: Params) -> Payload:
        """POST /fapi/v1/positionSide/dual."""
        wanted(params, "dualSidePosition")
        hedges = yes_or_no(params, "dualSidePosition")
        if hedges is self.book.account.hedges:
            raise ApiFault(400, -4059, "No need to change position side.")
        if self.book.open_orders() or self.conditionals.open_algos():
            raise ApiFault(400, -4067, "Position side cannot be changed if there exists open orders.")
        if any(self.book.account.is_held(symbol) for symbol in self.book.symbols):
            raise ApiFault(400, -4068, "Position side cannot be changed if there exists position.")
        self.book.account.hedges = hedges
        return dict(_DONE)

    def count_down(self, params: Params) -> Payload:
        """POST /fapi/v1/countdownCancelAll: orders of a symbol, and none of its conditional ones."""
        symbol = symbol_of(self.book.symbols, params).name
        wanted(params, "countdownTime")
        milliseconds = integer_of(params, "countdownTime") or 0
        self._countdowns.pop(symbol, None)
        if milliseconds:
            self._countdowns[symbol] = self.book.now() + milliseconds
        return {"symbol": symbol, "countdownTime": str(milliseconds)}

    def open_key(self, params: Params) -> Payload:
        """POST /fapi/v1/listenKey: the one that is alive for an hour more, or a new one."""
        del params
        if not self._key_until:
            self._keys += 1
        self._key_until = self.book.now() + KEY_LIVES_MS
        return {"listenKey": self.listen_key}

    def keep_key(self, params: Params) -> Payload:
        """PUT /fapi/v1/listenKey."""
        if not self._key_until:
            raise ApiFault(400, -1125, "This listenKey does not exist.")
        return self.open_key(params)

    def close_key(self, params: Params) -> Payload:
        """DELETE /fapi/v1/listenKey."""
        del params
        self._key_until = 0
        return {}

    def run_timers(self) -> None:
        """What a countdown cancels, and the end of the listen key."""
        now = self.book.now()
        for symbol, due in list(self._countdowns.items()):
            if due <= now:
                del self._countdowns[symbol]
                for order in self.book.open_orders(symbol):
                    self.book.end(order, "CANCELED")
        if self._key_until and self._key_until <= now:
            self._key_until = 0
            self.book.tell({"e": "listenKeyExpired", "E": now, "listenKey": self.listen_key})
