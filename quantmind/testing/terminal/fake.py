"""`FakeTerminal`: a paper account as a terminal with its trade server, for programs in other processes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from quantmind.adapters.mock.account import PaperAccount
from quantmind.adapters.mock.conditions import spec_of, symbol_terms_of, terms_of
from quantmind.adapters.mock.terminal_view import TerminalView
from quantmind.adapters.mock.terminal_view.constants import COMMENTS
from quantmind.adapters.mock.terminal_view.request import InvalidRequest
from quantmind.adapters.mock.terminal_view.shapes import tick_shape
from quantmind.config.brokers import MockBrokerConfig
from quantmind.domain.quotes import Quote
from quantmind.testing.terminal.faults import LOST, Faults
from quantmind.testing.terminal.history import History
from quantmind.testing.terminal.news import News
from quantmind.testing.terminal.prices import Prices
from quantmind.testing.terminal.requests import Done, done, refused
from quantmind.testing.terminal.serving import Serving

SUCCESS: Final = (1, "Success")
_FAILED: Final = (-1, "Terminal: Call failed")
_NOT_LOGGED_IN: Final = (-6, "Terminal: Authorization failed")
_OF_THE_ACCOUNT: Final = frozenset(
    (
        *("account_info", "positions_get", "orders_get", "history_orders_get", "history_deals_get", "order_send"),
        *("order_check", "positions_total", "orders_total", "history_orders_total", "history_deals_total"),
        "program_send",
    )
)
_DATA: Final = _OF_THE_ACCOUNT - {"order_send", "order_check", "program_send"}
_POLLS: Final = frozenset(("events",))
"""Asked again and again by each program: not counted among the calls."""
_NOT_SENT: Final = (10027, 10031)
"""The terminal itself says so."""


class _Failure(Exception):
    """A call answers None, and `last_error` is this."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.error = (code, text)


class FakeTerminal:
    """One terminal with one account. Its methods may be called from any thread; each does all of what it says.

    Args:
        config: the account and its symbols, as for the broker `mt5_mock`; its feed is not used.
        clock: Unix seconds of the server.
        offset_s: how far the server's clock is ahead of UTC.

    Attributes:
        account: the paper account, to look at.
        faults: what goes wrong; may be changed at any time.
    """

    def __init__(
        self, config: MockBrokerConfig, *, clock: Callable[[], float] = time.time, offset_s: int = 7200
    ) -> None:
        specs = [spec_of(symbol, overrides, config) for symbol, overrides in config.symbols.items()]
        terms = {symbol: symbol_terms_of(symbol, overrides, config) for symbol, overrides in config.symbols.items()}
        self.account = PaperAccount(terms_of(config, first_number=max(1, int(clock() * 1000))), specs, terms)
        self.faults = Faults()
        self.selected = set(config.symbols)
        """Symbols in the Market Watch."""
        self.calls: deque[str] = deque(maxlen=10_000)
        """Names of the calls that came in, the newest last."""
        self._config = config
        self._clock = clock
        self._view = TerminalView(self.account, offset_s)
        self._history = History(self.account)
        self._prices = Prices({spec.name: spec.digits for spec in specs})
        self._news = News(self.account)
        self._done: list[Done] = []
        self._books: set[str] = set()
        self._lock = threading.RLock()
        self._serving = Serving(self._answer, lambda: self.faults.half_answers)

    # --- for its owner -----------------------------------------------------------------------------------------

    @property
    def offset_s(self) -> int:
        """How far the server's clock is ahead of UTC; may be set."""
        return self._view.offset_s

    @offset_s.setter
    def offset_s(self, offset_s: int) -> None:
        with self._lock:
            self._view.offset_s = offset_s

    def tick(self, symbol: str, bid: float, ask: float, *, volume: float = 0.0, time_msc: int | None = None) -> None:
        """Let the market say a price. On a crossed one the account does not trade, and programs see it.

        Args:
            time_msc: UTC milliseconds; None: now.
        """
        with self._lock:
            quote = Quote(symbol, bid, ask, int(self._clock() * 1000) if time_msc is None else time_msc, 0.0, volume)
            self._prices.add(symbol, tick_shape(quote, self._view.offset_s))
            if not quote.crossed:
                self._history.note_deals(self.account.tick(quote))
                self._news.look(self._view.offset_s)

    def pass_time(self) -> None:
        """Let the account know what time it is: expirations and swap that are due."""
        with self._lock:
            self._history.note_deals(self.account.pass_time(int(self._clock() * 1000)))
            self._news.look(self._view.offset_s)

    def executed(self) -> Sequence[Done]:
        """What was carried out, oldest first; written down as it is carried out."""
        with self._lock:
            return list(self._done)

    def restart(self) -> None:
        """Let the terminal program end and begin again: connections break, the account stays."""
        self._serving.drop()

    def serve(self, folder: Path) -> Path:
        """Let programs reach it; the file that `mt5.initialize` and a broker's `path` name.

        Raises:
            OSError: it can't listen, or the file can't be written.
        """
        return self._serving.serve(folder)

    def run_walk(self, seed: int = 1, every_s: float = 0.25) -> None:
        """Make up prices until it is closed, for people who try programs."""
        from quantmind.adapters.mock.random_walk import RandomWalk, usual_walk

        walks = [
            usual_walk(spec, start_price=None, spread=None, volatility=None)
            for spec in self.account.market.specs.values()
        ]
        walk = RandomWalk(walks, seed=seed, wall=self._clock, ticks_per_s=None)
        walk.open()

        def run() -> None:
            while not self._serving.stopping.wait(every_s):
                if not self.faults.disconnected:
                    for quote in walk.advance(time.monotonic()).quotes:
                        self.tick(quote.symbol, quote.bid, quote.ask, time_msc=quote.time_msc)
                self.pass_time()

        self._serving.begin(run)

    def close(self) -> None:
        """Let everybody go. Safe to repeat."""
        self._serving.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- whoever calls -----------------------------------------------------------------------------------------

    def _answer(self, message: Any) -> dict[str, Any]:
        try:
            call, arguments = str(message["call"]), dict(message["arguments"])
        except (TypeError, KeyError, ValueError):
            return {"result": None, "error": (-2, "Invalid arguments")}
        faults = self.faults
        if call not in _POLLS:
            self.calls.append(call)
        if faults.delay_s > 0:
            time.sleep(faults.delay_s)
        freeze = faults.frozen_s if call == faults.frozen_call and not message.get("thawed") else 0.0
        if freeze and not faults.frozen_after:
            return {"freeze": freeze, "again": True}
        try:
            with self._lock:
                result = self._call(call, arguments)
        except _Failure as exc:
            return {"result": None, "error": exc.error, "freeze": freeze}
        return {"result": result, "error": SUCCESS, "freeze": freeze}

    def _call(self, call: str, arguments: Mapping[str, Any]) -> Any:
        faults = self.faults
        if faults.ipc_lost:
            raise _Failure(faults.ipc_lost, LOST.get(faults.ipc_lost, "Internal fail"))
        if faults.logged_out and call in _OF_THE_ACCOUNT:
            raise _Failure(*_NOT_LOGGED_IN)
        if faults.no_data and call in _DATA:
            raise _Failure(*_FAILED)
        found = getattr(self, f"_{call}", None)
        if found is None:
            raise _Failure(-2, f"Invalid call {call[:40]}")
        try:
            result = found(**arguments)
        except TypeError as exc:
            raise _Failure(-2, f"Invalid arguments: {exc}"[:200]) from exc
        if result is None:
            raise _Failure(-4, "Terminal: Not found")
        return result

    # --- the calls ---------------------------------------------------------------------------------------------

    def _initialize(self, login: int | None = None, server: str | None = None, password: str | None = None) -> bool:
        del password
        state = self.account.state()
        if (login is not None and login != state.login) or (server is not None and server != state.server):
            raise _Failure(*_NOT_LOGGED_IN)
        return True

    def _terminal_info(self) -> dict[str, Any]:
        faults = self.faults
        return {
            "community_account": False,
            "community_connection": False,
            "connected": not faults.disconnected and not faults.logged_out,
            "dlls_allowed": False,
            "trade_allowed": not faults.autotrading_off,
            "tradeapi_disabled": False,
            "email_enabled": False,
            "ftp_enabled": False,
            "notifications_enabled": False,
            "mqid": False,
            "build": 5000,
            "maxbars": 100_000,
            "codepage": 0,
            "ping_last": 1000,
            "community_balance": 0.0,
            "retransmission": 0.0,
            "company": "QuantMind",
            "name": "QuantMind Fake Terminal",
            "language": "English",
            "path": "fake",
            "data_path": "fake",
            "commondata_path": "fake",
        }

    def _version(self) -> list[Any]:
        return [500, 5000, "27 Nov 2026"]

    def _account_info(self) -> dict[str, Any]:
        row = self._view.account_info()
        if self.faults.wrong_account:
            row |= {"login": self.faults.wrong_account}
        if self.faults.read_only:
            row |= {"trade_allowed": False}
        if self.faults.server_autotrading_off:
            row |= {"trade_expert": False}
        return row

    def _symbols_total(self) -> int:
        return len(self.account.market.specs)

    def _symbols_get(self, group: str | None = None) -> list[dict[str, Any]]:
        return [self._watched(row) for row in self._view.symbols_get(group)]

    def _symbol_info(self, symbol: str) -> dict[str, Any] | None:
        row = self._view.symbol_info(symbol)
        return None if row is None else self._watched(row)

    def _watched(self, row: dict[str, Any]) -> dict[str, Any]:
        there = row["name"] in self.selected
        return {**row, "select": there, "visible": there}

    def _symbol_info_tick(self, symbol: str) -> dict[str, Any] | None:
        return self._prices.newest(symbol) if symbol in self.selected else None

    def _symbol_select(self, symbol: str, enable: bool = True) -> bool:
        self._known(symbol)
        if enable:
            self.selected.add(symbol)
        else:
            self.selected.discard(symbol)
        return True

    def _copy_ticks_from(self, symbol: str, date_from: int, count: int, flags: int) -> list[dict[str, Any]]:
        return self._known(symbol).from_second(symbol, date_from, count, flags)

    def _copy_ticks_range(self, symbol: str, date_from: int, date_to: int, flags: int) -> list[dict[str, Any]]:
        return self._known(symbol).between(symbol, date_from * 1000, date_to * 1000, flags)

    def _copy_rates(
        self, symbol: str, seconds: int, since: int | None = None, until: int | None = None, newest: int | None = None
    ) -> list[dict[str, Any]]:
        return self._known(symbol).bars(symbol, seconds, since, until, newest)

    def _known(self, symbol: str) -> Prices:
        if symbol not in self._prices:
            raise _Failure(-4, "Terminal: Not found")
        return self._prices

    def _positions_total(self) -> int:
        return len(self.account.positions())

    def _positions_get(
        self, symbol: str | None = None, ticket: int | None = None, group: str | None = None
    ) -> list[dict[str, Any]]:
        return [self._history.with_request(row) for row in self._view.positions_get(symbol, ticket, group)]

    def _orders_total(self) -> int:
        return len(self.account.orders())

    def _orders_get(
        self, symbol: str | None = None, ticket: int | None = None, group: str | None = None
    ) -> list[dict[str, Any]]:
        return list(self._view.orders_get(symbol, ticket, group))

    def _history_orders_total(self, date_from: int, date_to: int) -> int:
        return len(self._history_orders_get(date_from, date_to))

    def _history_orders_get(
        self,
        date_from: int | None = None,
        date_to: int | None = None,
        group: str | None = None,
        ticket: int | None = None,
        position: int | None = None,
    ) -> list[dict[str, Any]]:
        if ticket is None and position is None and (date_from is None or date_to is None):
            raise _Failure(-2, "Invalid arguments")
        return self._history.order_rows(self._view.offset_s, date_from, date_to, group, ticket, position)

    def _history_deals_total(self, date_from: int, date_to: int) -> int:
        return len(self._history_deals_get(date_from, date_to))

    def _history_deals_get(
        self,
        date_from: int | None = None,
        date_to: int | None = None,
        group: str | None = None,
        ticket: int | None = None,
        position: int | None = None,
    ) -> list[dict[str, Any]]:
        rows = self._view.history_deals_get(date_from, date_to, group=group, ticket=ticket, position=position)
        if rows is None:
            raise _Failure(-2, "Invalid arguments")
        return [self._history.with_deal(row) for row in rows]

    def _order_calc_margin(self, action: int, symbol: str, volume: float, price: float) -> float | None:
        return self._view.order_calc_margin(action, symbol, volume, price)

    def _order_calc_profit(
        self, action: int, symbol: str, volume: float, price_open: float, price_close: float
    ) -> float | None:
        return self._view.order_calc_profit(action, symbol, volume, price_open, price_close)

    def _market_book_add(self, symbol: str) -> bool:
        self._known(symbol)
        self._books.add(symbol)
        return True

    def _market_book_release(self, symbol: str) -> bool:
        self._books.discard(symbol)
        return True

    def _market_book_get(self, symbol: str) -> list[dict[str, Any]] | None:
        tick = self._symbol_info_tick(symbol) if symbol in self._books else None
        if tick is None:
            return None
        return [
            {"type": kind, "price": tick[side], "volume": 1, "volume_dbl": 1.0}
            for kind, side in ((1, "ask"), (2, "bid"))
        ]

    def _order_check(self, request: dict[str, Any]) -> dict[str, Any]:
        asked = self._asked(request)
        try:
            result = self._view.order_check(asked)
        except InvalidRequest as exc:
            raise _Failure(-2, f'Invalid "{exc.field}" argument') from exc
        code = self._wrong(asked)
        return {**result, "retcode": code, "comment": COMMENTS.get(code, "Error")} if code else result

    def _order_send(self, request: dict[str, Any]) -> dict[str, Any]:
        faults, asked = self.faults, self._asked(request)
        if faults.request_lost:
            raise _Failure(-10001, LOST[-10001])
        code = self._wrong(asked) or self._counted(asked)
        if faults.ambiguous and not faults.ambiguous_done:
            code = faults.ambiguous
        if code:
            return refused(asked, code, self._prices.newest(str(asked.get("symbol"))))
        self.pass_time()
        before = {deal.ticket for deal in self.account.latest_deals(1000)}
        waiting = {order.ticket: order for order in self.account.orders()}
        try:
            result = self._view.order_send(asked)
        except InvalidRequest as exc:
            raise _Failure(-2, f'Invalid "{exc.field}" argument') from exc
        self._news.look(self._view.offset_s)
        if result["retcode"] in (10008, 10009, 10010):
            deals = [deal for deal in self.account.latest_deals(1000) if deal.ticket not in before]
            self._history.note_request(asked, result, deals)
            self._done.append(done(asked, result, deals, waiting))
        if faults.answer_lost:
            raise _Failure(-10002, LOST[-10002])
        return {**result, "retcode": faults.ambiguous} if faults.ambiguous else result

    def _asked(self, request: Any) -> dict[str, Any]:
        if not isinstance(request, dict):
            raise _Failure(-2, "Invalid arguments")
        comment = request.get("comment")
        return {**request, "comment": comment[: self.faults.comment_length]} if isinstance(comment, str) else request

    def _wrong(self, request: Mapping[str, Any]) -> int:
        faults = self.faults
        if faults.disconnected:
            return 10031
        if faults.autotrading_off:
            return 10027
        if faults.server_autotrading_off:
            return 10026
        if faults.read_only:
            return 10017
        if faults.market_closed:
            return 10018
        if faults.invalid_fill and request.get("action") == 1:
            return 10030
        if faults.invalid_stops and (request.get("sl") or request.get("tp")):
            return 10016
        return 0

    def _counted(self, request: Mapping[str, Any]) -> int:
        faults = self.faults
        if faults.requotes > 0 and request.get("action") == 1:
            faults.requotes -= 1
            return 10004
        if faults.retcode and faults.retcode_times > 0:
            faults.retcode_times -= 1
            return faults.retcode
        return 0

    # --- for MQL5 programs -------------------------------------------------------------------------------------

    def _program_send(self, request: dict[str, Any], program: str) -> dict[str, Any]:
        """As `order_send`, and the program is told of the answer by a transaction: `events` has it for it alone."""
        number = self._view.next_request_id
        try:
            result = self._order_send(request)
        except _Failure as exc:
            self._view.next_request_id = number + 1
            return {"request_id": number, "result": None, "code": exc.error[0]}
        self._view.next_request_id = number + 1
        result |= {"request_id": number}
        if self.faults.ambiguous:
            result |= {"order": 0, "deal": 0, "volume": 0.0, "price": 0.0}
        if result["retcode"] not in _NOT_SENT:
            self._news.answered(program, result["request"], {**result, "request": None})
        return {"request_id": number, "result": result, "code": SUCCESS[0]}

    def _events(self, program: str, after: int | None = None, symbol: str = "") -> dict[str, Any]:
        """All that is new for a program: its transactions after a number (None: none yet), and what time it is.

        `ticks` is how many ticks the symbol has had: when it rises there is a new one. `time_current` is the server's
        time of the newest tick of the Market Watch, in seconds; 0 before the first one. While `connected` is False a
        program leaves what is here alone: a terminal would not know of it yet.
        """
        self._news.look(self._view.offset_s)
        now_msc = int(self._clock() * 1000) + self._view.offset_s * 1000
        newest = [tick["time"] for each in self.selected if (tick := self._prices.newest(each)) is not None]
        return {
            "connected": not self.faults.disconnected,
            "last": self._news.last,
            "transactions": [] if after is None else self._news.since(after, program),
            "ticks": self._prices.count(symbol),
            "time_current": max(newest, default=0),
            "time_trade_server": now_msc // 1000,
        }

    def _ticks_page(self, symbol: str, from_msc: int, count: int, flags: int) -> list[dict[str, Any]]:
        """So many ticks from a millisecond of the server's clock on; from 0: the newest ones."""
        return self._known(symbol).page(symbol, from_msc, count, flags)

    def _ticks_between(self, symbol: str, from_msc: int, to_msc: int, flags: int) -> list[dict[str, Any]]:
        return self._known(symbol).between(symbol, from_msc, to_msc, flags)
