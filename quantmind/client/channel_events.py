"""What private channels tell a feed: what holds, and then everything that happens.

The rule behind them: nothing of a channel is lost silently. After an outage either everything that was missed comes
(`Recovered`), or a `ChannelSnapshot` with `missed` replaces what was known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs


@attrs.frozen
class ChannelUpdate:
    """One message of a channel; its class says what of.

    `data` is the object that REST shows, numbers exact (`int` or `Decimal`). `journal_seq` is the line of the
    gateway's journal that it is made of, or of an account the newest one by then; `time` is ISO 8601 UTC.
    """

    channel: ClassVar[str] = ""

    broker: str | None
    journal_seq: int
    time: str
    data: Mapping[str, Any]


@attrs.frozen
class AccountUpdate(ChannelUpdate):
    """An account says something else than before; at most once each `account_interval_ms`, the newest."""

    channel = "account"


@attrs.frozen
class OrderUpdate(ChannelUpdate):
    """An order of the gateway changed its state (`source` gateway), or one that waits at the broker came, changed or
    went (`source` broker)."""

    channel = "orders"

    @property
    def state(self) -> str:
        """Of the gateway: intent, placed, filled, partly_filled, done, refused, not_sent, unknown, cancelled, expired.
        At the broker: placed or gone."""
        return str(self.data["state"])

    @property
    def order_id(self) -> str | None:
        """The order of the gateway; None for one at the broker that is not known to be."""
        value: str | None = self.data["order_id"]
        return value


@attrs.frozen
class PositionUpdate(ChannelUpdate):
    """A position came, changed or went. Not for each price: what it is worth now stands in `/positions`."""

    channel = "orders"

    @property
    def ticket(self) -> int:
        """The position's number at its broker."""
        return int(self.data["ticket"])

    @property
    def open(self) -> bool:
        """False: it is closed."""
        return bool(self.data["state"] == "open")


@attrs.frozen
class DealUpdate(ChannelUpdate):
    """A deal was made."""

    channel = "orders"


@attrs.frozen
class RiskUpdate(ChannelUpdate):
    """What an account may do, and what it may lose, is another than before; or something happened about it."""

    channel = "risk"

    @property
    def about(self) -> str:
        """state, hold, flattening, day, multiplier, regime, mandate; or event, after which nothing holds."""
        return str(self.data["about"])


@attrs.frozen
class GatewayEvent(ChannelUpdate):
    """Something that an operator may have to know: drift, trades from outside, an impossible answer."""

    channel = "events"

    @property
    def name(self) -> str:
        """What happened, in a word."""
        return str(self.data["name"])


@attrs.frozen
class ChannelSnapshot:
    """What holds on a channel after line `journal_seq`: it replaces what you knew of the channel.

    `missed`: you knew something before, and what happened since is not known line by line (a gap at the gateway, an
    outage that was too long, or you were too slow).
    """

    channel: str
    journal_seq: int
    items: tuple[ChannelUpdate, ...]
    missed: bool = False


UPDATES: Mapping[str, type[ChannelUpdate]] = {
    "account": AccountUpdate,
    "order": OrderUpdate,
    "position": PositionUpdate,
    "deal": DealUpdate,
    "risk": RiskUpdate,
    "event": GatewayEvent,
}
"""By the `type` of the message."""
