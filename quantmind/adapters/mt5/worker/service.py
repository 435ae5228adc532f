"""What a worker does for a gateway: each request of the bridge, carried out at one terminal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from quantmind.adapters.mt5.terminal.calls import Calls, NoAnswer
from quantmind.adapters.mt5.worker.desk import Late, Unavailable
from quantmind.adapters.mt5.worker.feed import Feed
from quantmind.adapters.mt5.worker.finder import Finder
from quantmind.adapters.mt5.worker.settings import Settings
from quantmind.adapters.mt5.worker.trader import Trader
from quantmind.adapters.mt5.worker.world import World
from quantmind.adapters.sent_file import SentFile
from quantmind.wire import bridge

logger: Final = logging.getLogger("quantmind.mt5.worker")

IDENTITY_EVERY_S: Final = 1.0
"""How often it is looked whose account the prices are of; orders and samples look each time."""


class Service:
    """Answers the requests of the bridge at one terminal. Synchronous: one thing after the other.

    Args:
        module: the package that speaks to the terminal.
        now: Unix seconds.
        monotonic: seconds.
    """

    def __init__(
        self,
        module: Any,
        settings: Settings,
        sent: SentFile,
        now: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.world = World(Calls(module), settings, now)
        self._feed = Feed(self.world, now, monotonic)
        self._trader = Trader(self.world, sent)
        self._finder = Finder(self.world, sent, now, settings.absent_after_s)
        self._now, self._monotonic = now, monotonic
        self._looked_at = -IDENTITY_EVERY_S

    def handle(self, request: bridge.AnyRequest) -> msgspec.Struct:
        """Do it.

        Raises:
            Unavailable, NoAnswer: the terminal can't be reached or must not be used; nothing was sent.
            Late: an order waited too long; nothing was sent.
        """
        if not isinstance(request, bridge.Hello):
            self.world.need()
        try:
            return self._handle(request)
        except NoAnswer as exc:
            if exc.lost:
                self.world.reached = False  # the next greeting reaches it again
            raise
        except ValueError as exc:
            raise Unavailable(f"what the terminal says can't be read: {exc}") from exc

    def close(self) -> None:
        """Let the terminal go."""
        if self.world.reached:
            self.world.let_go()

    def _handle(self, request: bridge.AnyRequest) -> msgspec.Struct:
        world = self.world
        match request:
            case bridge.Hello():
                return self._greet(request)
            case bridge.SymbolsGet():
                specs = tuple(each.spec for each in world.symbols.values())
                others = {
                    ours: each.terminal_name for ours, each in world.symbols.items() if ours != each.terminal_name
                }
                return bridge.Symbols(symbols=specs, terminal_names=others)
            case bridge.TicksGet():
                if self._monotonic() - self._looked_at >= IDENTITY_EVERY_S:
                    world.account()
                    self._looked_at = self._monotonic()
                return self._feed.after(request.after)
            case bridge.FeedRestart():
                self._feed.begin_again(request.symbols)
                return bridge.Nothing()
            case bridge.SampleGet():
                account, positions, orders = world.holdings()
                return bridge.Holdings(account=account, positions=tuple(positions), orders=tuple(orders))
            case bridge.DealsGet():
                most = max(1, min(request.most, bridge.MOST_DEALS))
                world.account()
                return bridge.Deals(deals=tuple(world.deals_since(request.since_msc)[-most:]))
            case bridge.OrderFind():
                return bridge.Found.of(self._finder.find(request.tag))
            case _:
                if 0 < request.start_by_ms < self._clock_ms():
                    raise Late("it waited too long for its turn at the terminal; nothing was sent")
                return bridge.Result.of(self._trader.place(request))

    def _clock_ms(self) -> int:
        return int(self._monotonic() * 1000)

    def _greet(self, hello: bridge.Hello) -> bridge.Welcome:
        world = self.world
        account = world.reach(anew=hello.anew)
        self._feed.follow()
        terminal = world.calls.terminal_info()
        if not terminal.connected:
            raise Unavailable("the terminal has no connection to the trade server; it connects by itself when it can")
        return bridge.Welcome(
            protocol=bridge.PROTOCOL,
            account=int(account.login),
            server=str(account.server),
            margin_mode="hedging" if world.hedging else "netting",
            symbols=tuple(world.symbols),
            company=str(account.company)[:128],
            build=int(terminal.build),
            trade_allowed=bool(terminal.trade_allowed) and bool(account.trade_allowed),
            utc_offset_s=world.clock.offset_s(self._now()),
            clock=world.clock.describe(self._now()),
            clock_ms=self._clock_ms(),
        )
