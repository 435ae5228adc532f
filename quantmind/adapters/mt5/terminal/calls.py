"""Every call of the MetaTrader5 package, made as the package wants it, with failures that can't be taken for nothing.

The package answers a failure with None and keeps why in `last_error`, one pair for the whole process: it is read at
once, before anything else is called. `()` is "none"; None never is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from quantmind.adapters.mt5.terminal.constants import COPY_TICKS_ALL, Res
from quantmind.domain.visible import visible

_WAYS_OUT: Final[Mapping[int, str]] = {
    Res.E_FAIL: "the terminal refused the call; look at its log",
    Res.E_INVALID_PARAMS: "an argument is wrong for this terminal; check the configuration, and report it",
    Res.E_NO_MEMORY: "the terminal has no memory left; restart it",
    Res.E_NOT_FOUND: "there is no such thing at this terminal; check names and history",
    Res.E_INVALID_VERSION: "terminal and package do not fit; update both",
    Res.E_AUTH_FAILED: "the login was refused; check login, password and server",
    Res.E_UNSUPPORTED: "this terminal does not know the call; update it",
    Res.E_AUTO_TRADING_DISABLED: "Algo Trading is switched off in the terminal; press its button",
    Res.E_INTERNAL_FAIL: "the connection to the terminal failed; it is made again",
    Res.E_INTERNAL_FAIL_SEND: "the terminal did not take the call; it is reached again",
    Res.E_INTERNAL_FAIL_RECEIVE: "the terminal's answer was lost; it is reached again",
    Res.E_INTERNAL_FAIL_INIT: "the terminal could not be started or reached; check `path`, and start it by hand once",
    Res.E_INTERNAL_FAIL_CONNECT: "there is no connection to the terminal; is it running?",
    Res.E_INTERNAL_FAIL_TIMEOUT: "the terminal did not answer in time; is it busy, or asking something in a window?",
}
LOST: Final = frozenset(each for each in Res if each <= Res.E_INTERNAL_FAIL)
"""Nothing more will come over this connection."""


class NoAnswer(Exception):
    """A call failed: there is no answer, which is not an empty one. `code` and `text` are the package's."""

    def __init__(self, call: str, code: int, text: str) -> None:
        way_out = _WAYS_OUT.get(code, "look at the terminal's log")
        super().__init__(f"{call} failed ({code}, {visible(text)[:120]}): {way_out}")
        self.call, self.code, self.text = call, code, text

    @property
    def lost(self) -> bool:
        """Whether the connection to the terminal is gone."""
        return self.code in LOST

    @property
    def refused_login(self) -> bool:
        """Whether login, password or server are wrong."""
        return self.code == Res.E_AUTH_FAILED


@attrs.frozen(eq=False)
class Calls:
    """The package, call by call. Times are seconds of the server's clock, written as if UTC; rows are the package's.

    Every method raises NoAnswer when the package has no answer.
    """

    module: Any

    def initialize(
        self,
        *,
        path: Path | str | None = None,
        login: int | None = None,
        password: str | None = None,
        server: str | None = None,
        timeout_ms: int = 60_000,
        portable: bool = False,
    ) -> None:
        """Reach the terminal, which is started if it has to be, and log in if a login is given."""
        options: dict[str, Any] = {"timeout": timeout_ms, "portable": portable}
        if login is not None:
            options["login"] = login
        if password is not None:
            options["password"] = password
        if server is not None:
            options["server"] = server
        arguments = () if path is None else (str(path),)
        if not self.module.initialize(*arguments, **options):
            raise self._failure("initialize")

    def shutdown(self) -> None:
        """Let the terminal go; never fails."""
        self.module.shutdown()

    def version(self) -> Sequence[Any]:
        """(version, build, date) of the terminal."""
        return self._rows("version", self.module.version())

    def terminal_info(self) -> Any:
        """TerminalInfo."""
        return self._there("terminal_info", self.module.terminal_info())

    def account_info(self) -> Any:
        """AccountInfo."""
        return self._there("account_info", self.module.account_info())

    def symbols_get(self) -> Sequence[Any]:
        """SymbolInfo of all symbols of the server."""
        return self._rows("symbols_get", self.module.symbols_get())

    def symbol_info(self, name: str) -> Any:
        """SymbolInfo."""
        return self._there("symbol_info", self.module.symbol_info(name))

    def symbol_info_tick(self, name: str) -> Any:
        """Tick, the last one."""
        return self._there("symbol_info_tick", self.module.symbol_info_tick(name))

    def symbol_select(self, name: str) -> None:
        """Take a symbol into the Market Watch: of others the terminal gets no prices."""
        if not self.module.symbol_select(name, True):
            raise self._failure("symbol_select")

    def copy_ticks_from(self, name: str, since_s: int, count: int) -> Sequence[Any]:
        """Rows of ticks from a second on, oldest first, at most `count`; fields by name, `row["bid"]`."""
        rows = self.module.copy_ticks_from(name, since_s, count, COPY_TICKS_ALL)
        return self._rows("copy_ticks_from", rows)

    def positions_get(self, ticket: int | None = None) -> Sequence[Any]:
        """TradePosition of all open positions, or of one."""
        rows = self.module.positions_get() if ticket is None else self.module.positions_get(ticket=ticket)
        return self._rows("positions_get", rows)

    def orders_get(self, ticket: int | None = None) -> Sequence[Any]:
        """TradeOrder of all orders that wait, or of one."""
        rows = self.module.orders_get() if ticket is None else self.module.orders_get(ticket=ticket)
        return self._rows("orders_get", rows)

    def history_orders(self, since_s: int, until_s: int) -> Sequence[Any]:
        """TradeOrder of the orders that ended within these times."""
        return self._rows("history_orders_get", self.module.history_orders_get(since_s, until_s))

    def history_order(self, ticket: int) -> Sequence[Any]:
        """TradeOrder of one order that has ended, or none."""
        return self._rows("history_orders_get", self.module.history_orders_get(ticket=ticket))

    def history_deals(self, since_s: int, until_s: int) -> Sequence[Any]:
        """TradeDeal of the deals made within these times."""
        return self._rows("history_deals_get", self.module.history_deals_get(since_s, until_s))

    def deals_of_order(self, ticket: int) -> Sequence[Any]:
        """TradeDeal of the deals that an order made."""
        return self._rows("history_deals_get", self.module.history_deals_get(ticket=ticket))

    def deals_of_position(self, ticket: int) -> Sequence[Any]:
        """TradeDeal of the deals of a position."""
        return self._rows("history_deals_get", self.module.history_deals_get(position=ticket))

    def order_check(self, request: Mapping[str, Any]) -> Any:
        """OrderCheckResult; its retcode is 0 where the request would be taken."""
        return self._there("order_check", self.module.order_check(dict(request)))

    def order_send(self, request: Mapping[str, Any]) -> Any:
        """OrderSendResult. A NoAnswer here leaves open whether the order was carried out."""
        return self._there("order_send", self.module.order_send(dict(request)))

    # --- inside ------------------------------------------------------------------------------------------------

    def _rows(self, call: str, answer: Any) -> Sequence[Any]:
        rows: Sequence[Any] = self._there(call, answer)
        return rows

    def _there(self, call: str, answer: Any) -> Any:
        if answer is None:
            raise self._failure(call)
        return answer

    def _failure(self, call: str) -> NoAnswer:
        said = self.module.last_error()
        try:
            code, text = int(said[0]), str(said[1])
        except (TypeError, ValueError, IndexError):
            code, text = int(Res.E_FAIL), "it says no more"
        if code == Res.S_OK:  # it failed all the same
            code = int(Res.E_FAIL)
        return NoAnswer(call, code, text)
