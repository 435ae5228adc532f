"""The ticks of a terminal in numbered batches, each kept until it is known to have arrived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from quantmind.adapters.mt5.terminal.ticks import TickReader
from quantmind.adapters.mt5.worker.world import World
from quantmind.wire import bridge

ANYBODY_SPOKE_S: Final = 10.0
"""So lately some symbol must have spoken for the silence of another one to mean anything."""
CONFIRMED_FOR_S: Final = 60.0
"""For so long after its own last tick a quiet symbol is taken to be quiet; its market may be closed after that."""
CONFIRM_EVERY_S: Final = 1.0


@attrs.define(eq=False)
class Feed:
    """Reads ticks when it is asked for them.

    A price that was not said again still holds as long as the terminal is connected, other symbols speak, and its own
    last tick is not old: it is confirmed once a second, without a tick.

    Args:
        monotonic: seconds.
    """

    world: World
    now: Callable[[], float]
    monotonic: Callable[[], float]
    _reader: TickReader | None = attrs.field(default=None, init=False)
    _last: bridge.Ticks = attrs.field(factory=lambda: bridge.Ticks(number=0, ticks=()), init=False)
    _spoke_at: dict[str, float] = attrs.field(factory=dict, init=False)
    _confirmed_at: float = attrs.field(default=0.0, init=False)

    def follow(self) -> None:
        """The symbols may be others now; what was read of those that stay goes on."""
        symbols = tuple(self.world.symbols.values())
        if self._reader is None:
            self._reader = TickReader(self.world.calls, self.world.clock, symbols, self.now)
        else:
            self._reader.symbols = symbols

    def begin_again(self, symbols: tuple[str, ...]) -> None:
        """Ask the terminal for the prices of these symbols once more."""
        assert self._reader is not None
        for symbol in symbols:
            one = self.world.symbols.get(symbol)
            if one is not None:
                self.world.calls.symbol_select(one.terminal_name)
                self._reader.begin_again([one.terminal_name])

    def after(self, number: int) -> bridge.Ticks:
        """The batch after that of this number. The last one is given again to whoever does not have it.

        Raises:
            NoAnswer: the terminal can't be asked; nothing is lost.
        """
        assert self._reader is not None
        if number == self._last.number - 1 and number >= 0 and self._last.number > 0:
            return self._last
        look = self._reader.look()
        if self._reader.offset_changes:
            self._reader.offset_changes = 0
            self.world.keep_clock()
        self._last = bridge.Ticks(
            number=self._last.number + 1,
            ticks=tuple(look.quotes),
            crossed=look.crossed,
            confirmed=self._confirmed(look.spoke),
        )
        return self._last

    def _confirmed(self, spoke: frozenset[str]) -> tuple[str, ...]:
        at = self.monotonic()
        for name in spoke:
            self._spoke_at[name] = at
        if at - self._confirmed_at < CONFIRM_EVERY_S or not self._spoke_at:
            return ()
        if at - max(self._spoke_at.values()) > ANYBODY_SPOKE_S or not self.world.calls.terminal_info().connected:
            return ()
        self._confirmed_at = at
        quiet = (name for name in self.world.symbols if name not in spoke and name in self._spoke_at)
        return tuple(name for name in quiet if at - self._spoke_at[name] <= CONFIRMED_FOR_S)
