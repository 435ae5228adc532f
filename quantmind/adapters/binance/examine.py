"""What a first user of an exchange's account should have looked at; nothing is traded or changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

import attrs
import trio

from quantmind.adapters.binance.broker import BinanceBroker
from quantmind.adapters.binance.build import build
from quantmind.adapters.binance.errors import BinanceError
from quantmind.adapters.binance.refusals import words_of
from quantmind.adapters.binance.rules import Rules
from quantmind.adapters.finding import Finding
from quantmind.config.brokers import BinanceBrokerConfig
from quantmind.domain.symbols import SymbolSpec
from quantmind.errors import BrokerUnavailable, StartError

TICKS_WITHIN_S: Final = 10.0
STEP_WITHIN_S: Final = 15.0
"""The requests about one thing, or the opening of the streams."""
TRADES_WITHIN_S: Final = 3.0
"""After those of prices, for a line of trades to open."""
STREAMS: Final = "streams"
CLOSES_WITHIN_S: Final = 1.0
LOOK_EVERY_S: Final = 0.1
OFF_MS: Final = 1000.0
"""A clock that is farther off than this should be set; requests are signed by the exchange's time whatever it is."""


async def examine(config: BinanceBrokerConfig, *, ticks_within_s: float = TICKS_WITHIN_S) -> Sequence[Finding]:
    """Look at the exchange, the account and the streams, one after the other; ends where nothing more can be seen.

    Args:
        ticks_within_s: how long a tick is waited for.
    """
    try:
        broker = build(config)
    except (ValueError, StartError) as error:
        return [Finding("key", "fail", str(error))]
    try:
        return await _Examination(broker, ticks_within_s).all()
    finally:
        with trio.CancelScope(shield=True), trio.move_on_after(CLOSES_WITHIN_S):
            await broker.api.aclose()


@attrs.define(eq=False)
class _Examination:
    broker: BinanceBroker
    ticks_within_s: float
    found: list[Finding] = attrs.field(factory=list, init=False)
    specs: Sequence[SymbolSpec] = attrs.field(default=(), init=False)

    async def all(self) -> Sequence[Finding]:
        if not await self._answered("exchange", self.broker.measure):
            return self.found
        self.found += _clock(self.broker)
        if not await self._answered("symbols", self._read_symbols):
            return self.found
        if not await self._answered("account", self._read_account):
            return self.found
        self.found += _account(self.broker)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.broker.feed.run)
            nursery.start_soon(self.broker.user.run)
            if await self._answered(STREAMS, self._open_streams):
                self.found.append(Finding(STREAMS, "ok", "that of the account and those of the market are open"))
                if (lost := self.broker.feed.trades_lost) is not None:
                    self.found[-1] = Finding(STREAMS, "warn", f"prices come, and trades do not: {lost}")
                await self._see_ticks()
            nursery.cancel_scope.cancel()
        return self.found

    # Whatever comes of it is a finding; False: there was no answer, and nothing more can be seen.
    async def _answered(self, what: str, ask: Callable[[], Awaitable[object]]) -> bool:
        try:
            with trio.fail_after(STEP_WITHIN_S):
                await ask()
        except trio.TooSlowError:
            lost = (self.broker.user.lost or self.broker.feed.lost) if what == STREAMS else None
            why = lost or f"no answer within {STEP_WITHIN_S:g} s"
        except (BinanceError, BrokerUnavailable) as error:
            why = words_of(error) if isinstance(error, BinanceError) else str(error)
        else:
            return True
        self.found.append(Finding(what, "fail", why))
        return False

    async def _read_symbols(self) -> None:
        self.specs = await self.broker.read_rules()
        if self.broker.missing:
            self.found.append(Finding("symbols", "fail", self.broker.not_traded(self.broker.missing)))
        await self.broker.read_prices()
        self.found += [_symbol(spec, self.broker.rules[spec.name]) for spec in self.specs]

    async def _read_account(self) -> None:
        broker = self.broker
        for each in await broker.venue.differences(broker.followed):
            self.found.append(Finding("setting", "warn", f"{each.words}: it is changed when the gateway starts"))
        broker.book.trades({spec.name: spec for spec in self.specs})
        await broker.venue.snapshot(broker.book, broker.followed)

    async def _open_streams(self) -> None:
        await self.broker.user.opened()
        await self.broker.feed.opened()
        with trio.move_on_after(TRADES_WITHIN_S):
            await self.broker.feed.trades_opened()

    async def _see_ticks(self) -> None:
        missing = set(self.broker.followed)
        with trio.move_on_after(self.ticks_within_s):
            while missing:
                missing -= {quote.symbol for quote in self.broker.feed.merger.take()}
                await trio.sleep(LOOK_EVERY_S)
        for symbol in self.broker.followed:
            late = symbol in missing
            words = f"no tick within {self.ticks_within_s:g} s: is its market quiet?" if late else "ticks come"
            self.found.append(Finding(f"{symbol} prices", "warn" if late else "ok", words))


def _clock(broker: BinanceBroker) -> Iterator[Finding]:
    offset, error = broker.clock.offset_ms or 0.0, broker.clock.error_ms or 0.0
    yield Finding("exchange", "ok", f"{broker.server} answers within {2 * error:.0f} ms")
    side = "behind" if offset > 0 else "ahead of"
    words = f"this machine's is {abs(offset):.0f} ms {side} the exchange's, give or take {error:.0f}"
    if abs(offset) - error > OFF_MS:
        yield Finding("clock", "warn", f"{words}: let a time service set it (requests are signed by the exchange's)")
    else:
        yield Finding("clock", "ok", words)


def _symbol(spec: SymbolSpec, rules: Rules) -> Finding:
    words = f"price step {spec.point}, volumes {spec.volume_min} to {spec.volume_max} by {spec.volume_step}"
    if rules.status != "TRADING":
        return Finding(spec.name, "warn", f"it is not traded now ({rules.status}); {words}")
    return Finding(spec.name, "ok", words)


def _account(broker: BinanceBroker) -> Iterator[Finding]:
    sample = broker.book.sample(trio.current_time())
    account = sample.account
    words = f"{account.login}, {account.margin_mode}, equity {account.equity:f} {account.currency}"
    words += f", {len(sample.positions)} positions, {len(sample.orders)} waiting orders"
    if broker.book.not_counted:
        words += f"; not counted: {', '.join(broker.book.not_counted)}"
    if not account.trade_allowed:
        words += "; it may not trade: look at the permissions of the key and of the account"
    yield Finding("account", "ok" if account.trade_allowed else "fail", words)
    used = broker.api.budget.snapshot()["used"]
    yield Finding(
        "limits", "ok", ", ".join(f"{name} {each['used']} of {each['limit']}" for name, each in sorted(used.items()))
    )
