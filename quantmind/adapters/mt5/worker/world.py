"""The terminal as a worker knows it: reached or not, whose account, which symbols, what its rows mean."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from quantmind.adapters.mt5.terminal.books import (
    Names,
    account_of,
    deals_of,
    pending_of,
    position_of,
)
from quantmind.adapters.mt5.terminal.calls import Calls, NoAnswer
from quantmind.adapters.mt5.terminal.constants import MarginMode
from quantmind.adapters.mt5.terminal.requests import Market
from quantmind.adapters.mt5.terminal.server_clock import ServerClock, parse_server_zone
from quantmind.adapters.mt5.terminal.symbols import Named, NotResolved, named, resolve
from quantmind.adapters.mt5.worker.desk import Unavailable
from quantmind.adapters.mt5.worker.settings import Settings
from quantmind.domain.accounts import Deal, PendingOrder, Position
from quantmind.domain.quotes import Quote

logger: Final = logging.getLogger("quantmind.mt5.worker")

TRIES: Final = 3
AHEAD_S: Final = 2 * 86_400
"""History is asked for up to so far ahead: the server's clock is not ours."""


@attrs.define(eq=False)
class World:
    """One terminal and its account. Whatever asks it raises NoAnswer, or Unavailable: nothing was changed by then.

    The account that was found first is the one that stays: in another one nothing is read or traded.
    """

    calls: Calls
    settings: Settings
    now: Callable[[], float]
    clock: ServerClock = attrs.field(init=False)
    symbols: dict[str, Named] = attrs.field(factory=dict, init=False)
    """By our names."""
    names: Names = attrs.field(factory=lambda: Names({}, {}), init=False)
    reached: bool = attrs.field(default=False, init=False)
    hedging: bool = attrs.field(default=True, init=False)
    _account: tuple[int, str] | None = attrs.field(default=None, init=False)

    @clock.default
    def _clock_of_the_settings(self) -> ServerClock:
        zone = self.settings.server_zone
        clock = ServerClock(None if zone is None else parse_server_zone(zone))
        clock.recall(_kept(self.settings.clock_file))
        return clock

    # --- reaching it -------------------------------------------------------------------------------------------

    def reach(self, *, anew: bool) -> Any:
        """Reach the terminal, if it is not, and see that it is the right account: AccountInfo.

        Args:
            anew: let it go before.
        """
        if anew and self.reached:
            self.let_go()
        if self.reached:
            try:
                return self._looked_over()
            except NoAnswer as exc:
                logger.warning("lose.terminal reason=%s", exc)
                self.let_go()
        settings = self.settings
        self.calls.initialize(
            path=settings.path,
            login=settings.login,
            password=settings.password,
            server=settings.server,
            timeout_ms=settings.timeout_ms,
            portable=settings.portable,
        )
        self.reached = True
        try:
            return self._looked_over()
        except (NoAnswer, Unavailable):
            self.let_go()
            raise

    def let_go(self) -> None:
        """Let the terminal go."""
        self.reached = False
        self.calls.shutdown()

    def _looked_over(self) -> Any:
        account = self.account()
        self.hedging = account.margin_mode == MarginMode.RETAIL_HEDGING
        self._find_symbols()
        return account

    def account(self) -> Any:
        """AccountInfo of the account that it must be. Raises Unavailable: it is another one."""
        self.need()
        row = self.calls.account_info()
        found = (int(row.login), str(row.server))
        settings = self.settings
        if settings.login is not None and found[0] != settings.login:
            raise Unavailable(
                f"the terminal is logged in as {found[0]}, and `login` says {settings.login}: log in there, or correct "
                "it"
            )
        if settings.server is not None and found[1] != settings.server:
            raise Unavailable(
                f"the terminal is logged in at {found[1]}, and `server` says {settings.server}: log in there, or "
                "correct it"
            )
        if self._account is None:
            self._account = found
        if found != self._account:
            raise Unavailable(
                f"the terminal is logged in as {found[0]} at {found[1]} now, and was as {self._account[0]} at "
                f"{self._account[1]}: log in there again, or start the gateway anew"
            )
        return row

    def need(self) -> None:
        """Raise Unavailable where the terminal was not reached, or was lost."""
        if not self.reached:
            raise Unavailable("the terminal was not reached yet; say bridge_hello")

    def _find_symbols(self) -> None:
        settings = self.settings
        infos = self.calls.symbols_get()
        try:
            theirs = resolve(settings.symbols, infos, suffix=settings.symbol_suffix, names=settings.symbol_names)
        except NotResolved as exc:
            raise Unavailable(str(exc)) from None
        found: dict[str, Named] = {}
        for ours, name in theirs.items():
            self.calls.symbol_select(name)
            try:
                found[ours] = named(self.calls.symbol_info(name), ours)
            except ValueError as exc:
                raise Unavailable(f"the terminal's symbol {name} can't be used: {exc}") from None
        self.symbols = found
        self.names = Names(
            {each.terminal_name: ours for ours, each in found.items()},
            {each.terminal_name: each.spec.digits for each in found.values()},
        )

    # --- what there is -----------------------------------------------------------------------------------------

    def market(self, symbol: str) -> Market | None:
        """A symbol of ours and its price now; None: it is none of those that are followed, and of no terminal's."""
        one = self.symbols.get(symbol)
        return None if one is None else Market(one, self._quote(one))

    def unfollowed(self, name: str) -> Market | None:
        """The same of a symbol by the terminal's name, of which something is open though nobody follows it."""
        try:
            one = named(self.calls.symbol_info(name), name)
        except NoAnswer as exc:
            if exc.lost:
                raise
            return None
        except ValueError as exc:
            logger.error("fail.symbol symbol=%s reason=%s", name, exc)
            return None
        return Market(one, self._quote(one))

    def _quote(self, symbol: Named) -> Quote | None:
        try:
            tick = self.calls.symbol_info_tick(symbol.terminal_name)
        except NoAnswer as exc:
            if exc.lost:
                raise
            return None
        time_msc = self.clock.to_utc_msc(int(tick.time_msc))
        quote = Quote(symbol.spec.name, float(tick.bid), float(tick.ask), time_msc)
        return None if quote.crossed else quote

    def positions(self) -> list[Position]:
        """All that is open."""
        return [position_of(row, self.names, self.clock) for row in self.calls.positions_get()]

    def orders(self) -> list[PendingOrder]:
        """All that waits."""
        return [order for row in self.calls.orders_get() if (order := self.pending(row)) is not None]

    def pending(self, row: Any) -> PendingOrder | None:
        """A row of orders_get as an order that waits; None: a market order on its way."""
        return pending_of(row, self.names, self.clock)

    def position(self, ticket: int) -> Position | None:
        """One position."""
        rows = self.calls.positions_get(ticket)
        return position_of(rows[0], self.names, self.clock) if rows else None

    def waiting(self, ticket: int) -> PendingOrder | None:
        """One order that waits."""
        rows = self.calls.orders_get(ticket)
        return pending_of(rows[0], self.names, self.clock) if rows else None

    def deals_of_order(self, ticket: int) -> Sequence[Deal]:
        """What an order was filled by."""
        return deals_of(self.calls.deals_of_order(ticket), self.names, self.clock)

    def deals_since(self, since_msc: int) -> Sequence[Deal]:
        """The deals at or after a time, oldest first."""
        since_s = max(0, self.clock.from_utc_s(since_msc / 1000) - 1)
        rows = self.calls.history_deals(since_s, self._far_ahead())
        return [deal for deal in deals_of(rows, self.names, self.clock) if deal.time_msc >= since_msc]

    def order_rows_since(self, since_s: float) -> Sequence[Any]:
        """TradeOrder of what has ended since a time, Unix seconds."""
        return self.calls.history_orders(max(0, self.clock.from_utc_s(since_s) - 1), self._far_ahead())

    def order_row(self, ticket: int) -> Any | None:
        """TradeOrder of an order that has ended."""
        rows = self.calls.history_order(ticket)
        return rows[0] if rows else None

    def holdings(self) -> tuple[Any, list[Position], list[PendingOrder]]:
        """Account, positions and orders, read until nothing was traded between the first and the last of them."""
        left = TRIES
        while True:
            left -= 1
            before = self.account()
            positions, orders = self.positions(), self.orders()
            after = self.account()
            same = (before.balance, len(positions)) == (after.balance, len(self.calls.positions_get()))
            if same or not left:
                return account_of(after), positions, orders

    def digits_of(self, row: Any) -> int:
        """Those of an order's symbol."""
        return self.names.of(row.symbol)[1]

    def keep_clock(self) -> None:
        """Write down what was measured of the server's clock, for the next worker."""
        path = self.settings.file(self.settings.clock_file)
        if path is None:
            return
        try:
            temporary = path.with_name(path.name + ".new")
            temporary.write_text(json.dumps(self.clock.remember()), encoding="utf-8")
            temporary.replace(path)
        except OSError as exc:
            logger.warning("fail.note file=%s reason=%s", path, exc.strerror)

    def _far_ahead(self) -> int:
        return self.clock.from_utc_s(self.now()) + AHEAD_S


def _kept(name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    try:
        kept = json.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
