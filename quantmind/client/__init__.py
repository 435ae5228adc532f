"""What programs outside the gateway use to talk to it.

`open_ticks` and `open_commands` are for Trio programs; `quantmind.client.sync` has both for programs without async.
Layout: `feed_state`, `feed_buffer`, `replies` and `waiting` are pure; `ticks` and `commands` give them sockets.
"""

from quantmind.client.channel_events import (
    AccountUpdate,
    ChannelSnapshot,
    ChannelUpdate,
    DealUpdate,
    GatewayEvent,
    OrderUpdate,
    PositionUpdate,
    RiskUpdate,
)
from quantmind.client.commands import CommandClient, open_commands
from quantmind.client.errors import FeedRefused
from quantmind.client.exchange import CommandSettings, CommandStatistics
from quantmind.client.feed_events import (
    Connected,
    Disconnected,
    FeedEvent,
    FeedStatus,
    FeedWarning,
    Gap,
    NewEpoch,
    Recovered,
    SeqReset,
    Subscribed,
    SymbolRejected,
    Tick,
)
from quantmind.client.local import LocalGateway, NoGateway, find_gateway
from quantmind.client.native_bridge import NativeBridge
from quantmind.client.outcomes import (
    Approved,
    Beat,
    ChangeOutcome,
    CloseOutcome,
    Done,
    Ended,
    Failed,
    Filled,
    MultiplierSet,
    OpenOutcome,
    OrderOutcome,
    Placed,
    Reason,
    Rejected,
    Reported,
    Unknown,
    VerdictOutcome,
)
from quantmind.client.requests import CancelRequest, CloseRequest, Command, ModifyRequest, OpenRequest
from quantmind.client.ticks import Feed, FeedSettings, FeedStatistics, open_ticks
from quantmind.net.zmq import CurveLogin, PlainLogin

__all__ = [
    "find_gateway",
    "LocalGateway",
    "NoGateway",
    "open_ticks",
    "Feed",
    "FeedSettings",
    "FeedStatistics",
    "FeedRefused",
    "FeedEvent",
    "Tick",
    "Gap",
    "NewEpoch",
    "SeqReset",
    "Connected",
    "Disconnected",
    "Recovered",
    "Subscribed",
    "SymbolRejected",
    "FeedStatus",
    "FeedWarning",
    "ChannelSnapshot",
    "ChannelUpdate",
    "AccountUpdate",
    "OrderUpdate",
    "PositionUpdate",
    "DealUpdate",
    "RiskUpdate",
    "GatewayEvent",
    "open_commands",
    "CommandClient",
    "PlainLogin",
    "CurveLogin",
    "CommandSettings",
    "CommandStatistics",
    "OpenRequest",
    "CloseRequest",
    "ModifyRequest",
    "CancelRequest",
    "Command",
    "OrderOutcome",
    "OpenOutcome",
    "CloseOutcome",
    "ChangeOutcome",
    "VerdictOutcome",
    "Approved",
    "Filled",
    "Placed",
    "Done",
    "Ended",
    "Rejected",
    "Reason",
    "Failed",
    "Unknown",
    "Beat",
    "Reported",
    "MultiplierSet",
    "NativeBridge",
]
