"""Which formats there are, and of which one a file is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from quantmind.adapters.mock.recordings.bars import looks_like_bars
from quantmind.adapters.mock.recordings.dukascopy import DUKASCOPY, DUKASCOPY_HOUR
from quantmind.adapters.mock.recordings.errors import Fault, ReplayError, shown
from quantmind.adapters.mock.recordings.formats import Format
from quantmind.adapters.mock.recordings.histdata import HISTDATA
from quantmind.adapters.mock.recordings.lean import LEAN
from quantmind.adapters.mock.recordings.mt5 import MT5
from quantmind.adapters.mock.recordings.own import OWN
from quantmind.adapters.mock.recordings.reader import Reader
from quantmind.adapters.mock.recordings.text import Text
from quantmind.adapters.mock.recordings.truefx import TRUEFX
from quantmind.adapters.mock.recordings.zones import Zone
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import SymbolSpec

FORMATS: Final[Mapping[str, Format]] = {
    each.name: each for each in (OWN, LEAN, MT5, HISTDATA, TRUEFX, DUKASCOPY, DUKASCOPY_HOUR)
}

_CHECKED_LINES: Final = 1000
_WORDS: Final = re.compile(r"[_\s-]+")


@attrs.frozen
class Recording:
    """A file of recorded ticks, and what is said of it.

    Attributes:
        path: the file.
        format: the name of its format; None: told from what it begins with.
        symbol: what its ticks are of; for a file of several symbols the one to replay. None: told from the file.
        zone: of its times; None: that of the format.
    """

    path: Path
    format: str | None = None
    symbol: str | None = None
    zone: Zone | None = None

    def open(self, specs: Mapping[str, SymbolSpec]) -> Reader:
        """Open it for a broker that trades `specs`.

        Raises:
            ReplayError: the file can't be read, is of no format that is known, or has other symbols.
        """
        return _opened(self, specs)[1]

    def inspect(self, specs: Mapping[str, SymbolSpec]) -> Inspected:
        """Look at its first lines, for a check before the start.

        Raises:
            ReplayError: something in them is wrong.
        """
        chosen, reader = _opened(self, specs)
        try:
            quotes, _ = reader.take(_CHECKED_LINES)
        finally:
            reader.close()
        if reader.error is not None:
            raise reader.error
        return Inspected(
            where=reader.where,
            format=chosen.name,
            symbols=tuple(dict.fromkeys(quote.symbol for quote in quotes)),
            first=quotes[0] if quotes else None,
        )


@attrs.frozen
class Inspected:
    """What the first lines of a recording have: its format, symbols, and the first tick that can be traded on."""

    where: str
    format: str
    symbols: tuple[str, ...]
    first: Quote | None


def _opened(recording: Recording, specs: Mapping[str, SymbolSpec]) -> tuple[Format, Reader]:
    text = Text(recording.path)
    try:
        text.open()
        head = text.head().lstrip()
        with text.reading():
            chosen = _chosen(recording.format, head)
            ticks = chosen.read(text, _zone(chosen, recording.zone))
            symbols = _symbols(chosen, recording, specs, text.names, head.split(b"\n", 1)[0])
    except BaseException:
        text.close()
        raise
    return chosen, Reader(text, ticks, symbols, skips_others=chosen.many_symbols and recording.symbol is not None)


def _chosen(name: str | None, head: bytes) -> Format:
    if looks_like_bars(head):
        raise Fault(
            "it holds bars (open, high, low, close) and no ticks; a bar does not say in which order its prices came, "
            "so it can't be replayed: take a file of ticks"
        )
    if name is not None:
        return FORMATS[name]
    if not head:
        raise Fault("it is empty; take a file with ticks")
    for each in FORMATS.values():
        if each.begins.match(head):
            return each
    known = "; ".join(f"{each.name}: {each.shape}" for each in FORMATS.values())
    line = head.split(b"\n", 1)[0]
    raise Fault(f"line 1 begins none of the formats that are known: {shown(line)}. Known are {known}")


def _zone(chosen: Format, said: Zone | None) -> Zone:
    if said is None:
        if chosen.zone is None:
            raise Fault(
                f"format {chosen.name} has times of the broker's server and does not say its zone: write `zone`, as "
                "new_york_close (most brokers), UTC, +02:00 or Europe/Athens"
            )
        return chosen.zone
    if chosen.zone_is_fixed and said.name != "UTC":
        raise Fault(f"format {chosen.name} has UTC times, not {said.name}; leave `zone` out")
    return said


def _symbols(
    chosen: Format, recording: Recording, specs: Mapping[str, SymbolSpec], names: Sequence[str], first_line: bytes
) -> dict[bytes, tuple[str, int]]:
    symbol = recording.symbol
    if symbol is not None and symbol not in specs:
        raise Fault(f"it is to be replayed as {symbol}, which this broker does not trade: it has {', '.join(specs)}")
    if chosen.many_symbols:
        return {name.encode(): (name, spec.digits) for name, spec in specs.items() if symbol is None or name == symbol}
    if symbol is None:
        symbol = _told(chosen, specs, tuple(names), first_line)
    return {b"": (symbol, specs[symbol].digits)}


def _told(chosen: Format, specs: Mapping[str, SymbolSpec], names: tuple[str, ...], first_line: bytes) -> str:
    """The broker's symbol that the file says it is of."""
    said = chosen.symbol_of(names, first_line)
    if said is not None:
        for symbol in specs:
            if symbol.upper() == said.upper():
                return symbol
        raise Fault(
            f"it has ticks of {said}, which this broker does not trade: it has {', '.join(specs)}; "
            "if it calls them otherwise, write `symbol`"
        )
    for name in names:
        words = {word.upper() for word in _WORDS.split(name)}
        words |= {name.partition(".")[0] for name in words} | {word.rpartition(".")[0] for word in words}
        found = [symbol for symbol in specs if symbol.upper() in words]
        if len(found) == 1:
            return found[0]
    raise Fault(
        f"nothing says of which symbol its ticks are: write `symbol`, one of {', '.join(specs)}, "
        "or put it into the file's name, as in EURUSD_2024.csv"
    )


__all__ = ["FORMATS", "Inspected", "Recording", "ReplayError"]
