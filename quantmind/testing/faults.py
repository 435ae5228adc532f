"""What a fault proxy does to connections, as a value; and what went through it."""

from __future__ import annotations

from typing import Any, Final, Literal

import attrs

Direction = Literal["up", "down"]
"""`up` is from the client to the server."""
DIRECTIONS: Final[tuple[Direction, ...]] = ("up", "down")


def _positive(_instance: object, attribute: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and not value > 0:
        raise ValueError(f"{attribute.name} is {value}; give a number above 0, or None for no such fault")


@attrs.frozen
class Faults:
    """What goes wrong, for each connection and each direction; the default is nothing."""

    latency_s: float = attrs.field(default=0.0, validator=attrs.validators.ge(0))
    """Each byte arrives so much later. Order and bandwidth stay."""
    jitter_s: float = attrs.field(default=0.0, validator=attrs.validators.ge(0))
    """And later by a random time up to this, another one for each piece. Order stays."""
    bytes_per_s: float | None = attrs.field(default=None, validator=_positive)
    """No more than so many bytes a second."""
    slice_bytes: int | None = attrs.field(default=None, validator=_positive)
    """What arrives is passed on in pieces of at most so many bytes, each sent on its own."""
    cut_after_bytes: int | None = attrs.field(default=None, validator=_positive)
    """A connection ends after so many bytes, both directions counted together, wherever that falls in a message."""
    timeout_s: float | None = attrs.field(default=None, validator=_positive)
    """A middlebox that is dying: nothing passes any more, in either direction, and after so long the connection ends.

    It counts from when this is set, or from a connection's beginning, and what it has reached is not saved by other
    faults later.
    """
    idle_s: float | None = attrs.field(default=None, validator=_positive)
    """A NAT or firewall that forgets: a connection ends through which nothing has passed for so long, either way."""
    cut_by_reset: bool = False
    """`cut_after_bytes`, `timeout_s` and `idle_s` end a connection by a reset and not in order."""
    swallow: bool = False
    """Half-open: connections stay, are taken, and nothing passes. One that has lost a byte never passes any again."""
    refuse: bool = False
    """New connections are reset as soon as they are taken."""
    only: Direction | None = attrs.field(default=None, validator=attrs.validators.in_((None, *DIRECTIONS)))
    """Latency, jitter, bandwidth, slices, the cut's count and swallowing are of this direction alone.

    `up` is to the server, `down` to the client. A request that arrives and whose answer does not: swallow `down`.
    """

    def meets(self, direction: Direction) -> bool:
        """Whether what goes this way has the faults that `only` is about."""
        return self.only is None or self.only == direction


@attrs.frozen
class ProxyStatistics:
    """What went through a proxy."""

    open: int
    accepted: int
    refused: int
    """Reset at the door, or because the server was not there."""
    cut: int
    """Ended by the proxy, in whatever way."""
    swallowed_bytes: int
    passed_bytes: int
