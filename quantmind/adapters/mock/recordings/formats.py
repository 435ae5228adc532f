"""The common shape of a format of recordings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import attrs

from quantmind.adapters.mock.recordings.text import Raw, Text
from quantmind.adapters.mock.recordings.zones import Zone

NUMBER: Final = rb"-?[0-9]{1,20}(?:\.[0-9]{0,20})?(?:[eE][-+]?[0-9]{1,3})?"
"""A price or a volume; never nan, inf or 1_000, which float would take."""

Read: TypeAlias = Callable[[Text, Zone], Iterator[Raw | None]]


@attrs.frozen
class Format:
    """A format of recordings.

    Attributes:
        name: as in the configuration.
        shape: how it looks, for a message.
        begins: what it matches from its first sign on that is no blank.
        read: the ticks of an open text, in the order of the file; None for what is none, so that a reader's work is
            bounded. Raises Fault.
        zone: of its times, unless the configuration says another; None: it must say one.
        zone_is_fixed: whether its times are UTC by themselves, so that another zone would be wrong.
        many_symbols: whether each line names its symbol; the configuration's `symbol` then picks one.
        symbol_of: the symbol, by the names of the file and its first line; None: they don't say.
    """

    name: str
    shape: str
    begins: re.Pattern[bytes]
    read: Read
    zone: Zone | None
    zone_is_fixed: bool = False
    many_symbols: bool = False
    symbol_of: Callable[[tuple[str, ...], bytes], str | None] = lambda _names, _line: None
