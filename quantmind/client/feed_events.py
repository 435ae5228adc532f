"""What a feed tells, in order: ticks, what private channels tell, and everything that stands between them.

The rule behind them: no tick is lost silently. Whenever ticks of a symbol were missed, a `Gap`, `NewEpoch` or
`SeqReset` comes before that symbol's next tick. `quantmind.client.channel_events` has those of channels.
"""

from __future__ import annotations

import attrs

from quantmind.client.channel_events import ChannelSnapshot, ChannelUpdate

Key = tuple[str, str]
"""(broker, symbol)."""


@attrs.frozen(slots=True)
class Tick:
    """A price.

    Prices in the symbol's quote currency, `volume` in lots, `spread` in pips, `time_msc` UTC milliseconds. `seq` grows
    by one a tick of this broker and symbol within an epoch. `snapshot`: the last known tick at a subscription, which
    may be old.
    """

    symbol: str
    broker: str
    bid: float
    ask: float
    last: float
    volume: float
    time_msc: int
    spread: float
    seq: int
    snapshot: bool = False

    @property
    def key(self) -> Key:
        """What `seq` counts: (broker, symbol)."""
        return (self.broker, self.symbol)


@attrs.frozen
class Gap:
    """The ticks of a symbol from `from_seq` to `to_seq`, both included, did not reach you.

    `conflated`: this client dropped at least one of them, since you were slower than the feed; else they were lost on
    the way (an outage, or the gateway dropped them because this machine read too slowly).
    """

    symbol: str
    broker: str
    from_seq: int
    to_seq: int
    conflated: bool = False

    @property
    def count(self) -> int:
        """How many ticks are missing."""
        return self.to_seq - self.from_seq + 1


@attrs.frozen
class NewEpoch:
    """The gateway's market data began anew: every `seq` counts from 1, and how many ticks were missed is not known.

    `previous` None: the first epoch of this feed, with which nothing was missed.
    """

    epoch: str
    previous: str | None


@attrs.frozen
class SeqReset:
    """The `seq` of one symbol went back within an epoch: how many ticks were missed is not known."""

    symbol: str
    broker: str
    last_seq: int
    seq: int


@attrs.frozen
class Disconnected:
    """The gateway can't be reached, or not any more; the next try follows in `retry_in_s` seconds.

    `tries` counts failed ones since the last connection.
    """

    reason: str
    tries: int
    retry_in_s: float


@attrs.frozen
class Connected:
    """The feed stands, after `down_s` seconds without it; `again` False the first time.

    Symbols and channels are subscribed to again by then. What was missed follows (`Recovered`), or a `Gap`, `NewEpoch`
    or `ChannelSnapshot` says what is missing.
    """

    again: bool
    down_s: float


@attrs.frozen
class Recovered:
    """Everything that was missed of these symbols and channels since the connection was lost follows."""

    symbols: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


@attrs.frozen
class Subscribed:
    """The gateway sends this symbol from now on, named as you asked for it."""

    symbol: str


@attrs.frozen
class SymbolRejected:
    """A symbol is not sent: `reason` is `unknown_symbol` or `symbol_limit`.

    It is asked for again from time to time, since a broker may not be connected yet; `remove` ends that.
    """

    symbol: str
    reason: str


@attrs.frozen
class FeedStatus:
    """A feed is `stale`, `closed` with its market, `live` again or `ended`; with no broker: the gateway is `stopping`.

    `age_ms`: how long the feed has been silent.
    """

    state: str
    broker: str | None = None
    symbol: str | None = None
    age_ms: int | None = None


@attrs.frozen
class FeedWarning:
    """The gateway did not do something that was asked; it is asked again."""

    code: str
    message: str


FeedEvent = (
    Tick
    | Gap
    | NewEpoch
    | SeqReset
    | Disconnected
    | Connected
    | Recovered
    | Subscribed
    | SymbolRejected
    | FeedStatus
    | FeedWarning
    | ChannelSnapshot
    | ChannelUpdate
)
