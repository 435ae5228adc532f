"""Recorded streams, played to whoever has subscribed, while the engine's prices follow them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec
import trio

from quantmind.testing.binance.door import GOING_AWAY
from quantmind.testing.binance.engine import Engine
from quantmind.testing.binance.streams import StreamLine, Streams

MOST_AHEAD: Final = 256
"""Messages that wait for the slowest client while it is played as fast as clients take it."""
PER_TURN: Final = 32
"""After so many messages, other tasks get a turn."""
WAIT_FOR_NEW_S: Final = 30.0
"""How long a cut waits for connections that take over."""


@attrs.frozen
class Recorded:
    """One message: when it was received (Unix nanoseconds), its stream, and what was in the envelope."""

    received_ns: int
    stream: str
    payload: bytes

    @property
    def symbol(self) -> str:
        """In capital letters."""
        return self.stream.partition("@")[0].upper()

    @property
    def kind(self) -> str:
        """bookTicker, trade, depth, ..."""
        return self.stream.split("@")[1]


class _Envelope(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


def read_recording(path: Path) -> Iterator[Recorded]:
    """The messages of a capture: lines `received_ns {"stream": ..., "data": ...}`, packed with gzip or not.

    Other JSON objects among them, such as a snapshot that was asked for over REST, are passed over.

    Raises:
        OSError: it can't be read.
        ValueError: a line is none of these; the text names it.
    """
    decode = msgspec.json.Decoder(_Envelope).decode
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, 1):
            time_ns, _, said = line.partition(b" ")
            try:
                envelope = decode(said)
                if not envelope.stream:
                    continue
                if not 0 < envelope.stream.find("@") < len(envelope.stream) - 1:
                    raise ValueError(envelope.stream)
                yield Recorded(int(time_ns), envelope.stream, bytes(envelope.data))
            except (msgspec.DecodeError, ValueError) as error:
                raise ValueError(f"{path}, line {number}, is no recorded message: {error}") from None


@attrs.frozen
class Cut:
    """What Binance does to a connection of 24 hours, at a message of a recording.

    Attributes:
        at: when so many messages have been played, connections that get this recording are told `serverShutdown`.
        overlap: after so many further ones they are ended.
        notice: False: they are not told.
        waits_for_new: playing goes on only when others have subscribed to all their streams, or after 30 s.
        abrupt: they end without a Close frame, and what waits for them is lost.
    """

    at: int
    overlap: int = 0
    notice: bool = True
    waits_for_new: bool = True
    abrupt: bool = False


@attrs.define(eq=False)
class Player:
    """Plays one recording. The engine's own market of its symbols is not told meanwhile, nor afterwards.

    Args:
        speed: 1: as it was recorded; None: as fast as clients take it.
        cuts: in the order of their `at`.
        pause_at: it stops when so many messages have been played, until `go_on` is called.
        restamps: event times become those of now, for clients that mistrust old ones.
    """

    streams: Streams
    engine: Engine
    path: Path
    speed: float | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.gt(0)))
    cuts: Sequence[Cut] = ()
    pause_at: int | None = None
    restamps: bool = False
    played: int = attrs.field(default=0, init=False)
    """Messages that were given to the streams."""
    done: trio.Event = attrs.field(factory=trio.Event, init=False)
    paused: trio.Event = attrs.field(factory=trio.Event, init=False)
    unrelieved: int = attrs.field(default=0, init=False)
    """Cuts that nobody took over from in time."""
    _resumed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _ending: list[tuple[int, Cut, tuple[StreamLine, ...]]] = attrs.field(factory=list, init=False)
    _names: set[str] = attrs.field(factory=set, init=False)

    def go_on(self) -> None:
        """End the pause."""
        self.pause_at = None
        self._resumed.set()

    async def play(self) -> None:
        """Play all of it.

        Raises:
            OSError, ValueError: it can't be read.
        """
        cuts, begun, first_ns = list(self.cuts), trio.current_time(), None
        for each in read_recording(self.path):
            first_ns = each.received_ns if first_ns is None else first_ns
            while cuts and cuts[0].at <= self.played:
                await self._announce(cuts.pop(0))
            self._end()
            if self.pause_at is not None and self.played >= self.pause_at:
                self.paused.set()
                await self._resumed.wait()
            if self.speed is not None:
                await trio.sleep_until(begun + (each.received_ns - first_ns) / 1e9 / self.speed)
            elif self.played % PER_TURN == 0:
                await trio.lowlevel.checkpoint()
            for line in self.streams.subscribers(each.stream):
                await line.line.below(MOST_AHEAD)
            self._give(each)
        self._end()
        self.done.set()

    def _give(self, each: Recorded) -> None:
        self._names.add(each.stream)
        payload = each.payload
        if each.symbol in self.engine.symbols:
            self.streams.muted.add(each.symbol)
            if each.kind in ("bookTicker", "trade"):
                self._move(each, msgspec.json.decode(payload))
        if self.restamps:
            said = msgspec.json.decode(payload)
            payload = msgspec.json.encode(said | {name: self.streams.now_ms() for name in ("E", "T") if name in said})
        self.streams.publish(each.stream, payload)
        self.played += 1

    # A quantity that never runs out: orders get the recorded price, whatever their size.
    def _move(self, each: Recorded, said: dict[str, Any]) -> None:
        if each.kind == "trade":
            self.engine.trade(each.symbol, Decimal(said["p"]), Decimal(said["q"]))
        elif Decimal(said["b"]) <= Decimal(said["a"]):
            self.engine.set_quote(each.symbol, Decimal(said["b"]), Decimal(said["a"]))

    async def _announce(self, cut: Cut) -> None:
        old = tuple(line for line in self.streams.lines if not self._names.isdisjoint(line.names))
        if cut.notice:
            for line in old:
                self.streams.say_shutdown(line)
        if cut.waits_for_new:
            with trio.move_on_after(WAIT_FOR_NEW_S) as patience:
                for name in sorted({name for line in old for name in line.names if line.carries(name)}):
                    await self.streams.subscribed(name, besides=old)
            self.unrelieved += patience.cancelled_caught
        self._ending.append((self.played + cut.overlap, cut, old))

    def _end(self) -> None:
        for each in [each for each in self._ending if each[0] <= self.played]:
            self._ending.remove(each)
            for line in each[2]:
                if each[1].abrupt:
                    line.line.cut()
                else:
                    line.line.close(GOING_AWAY)
