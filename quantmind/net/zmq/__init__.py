"""ZeroMQ sockets on Trio, drained synchronously: what is there is taken in one go, without a task switch each.

Only waiting needs Trio; everything else here also serves a plain program, one thread at a time. Without pyzmq the names
are there and none can be used.
"""

from quantmind.net.zmq.missing import Missing

__all__ = [
    "DRAIN_BYTES",
    "DRAIN_LIMIT",
    "HIGH_WATER",
    "LONGEST_TOPIC",
    "MAX_MESSAGE_BYTES",
    "MOST_FRAMES",
    "CurveGuard",
    "CurveLogin",
    "DealerSocket",
    "FeedSocket",
    "Incoming",
    "Guard",
    "Login",
    "PeerCounts",
    "PeerLimits",
    "PlainGuard",
    "PlainLogin",
    "PubSocket",
    "ReqSocket",
    "RouterSocket",
    "SubSocket",
    "ZmqContext",
    "ZmqSocket",
    "ZmqStatistics",
    "curve_pair",
    "curve_public",
    "sort_routed",
]

try:
    from quantmind.net.zmq.context import ZmqContext
    from quantmind.net.zmq.published import LONGEST_TOPIC, FeedSocket, PubSocket, SubSocket
    from quantmind.net.zmq.routed import DealerSocket, ReqSocket, RouterSocket, sort_routed
    from quantmind.net.zmq.security import (
        CurveGuard,
        CurveLogin,
        Guard,
        Login,
        PlainGuard,
        PlainLogin,
        curve_pair,
        curve_public,
    )
    from quantmind.net.zmq.socket import (
        DRAIN_BYTES,
        DRAIN_LIMIT,
        HIGH_WATER,
        MAX_MESSAGE_BYTES,
        MOST_FRAMES,
        Incoming,
        ZmqSocket,
        ZmqStatistics,
    )
    from quantmind.net.zmq.watch import PeerCounts, PeerLimits
except ImportError as error:
    if (error.name or "").partition(".")[0] != "zmq":
        raise
    globals().update(dict.fromkeys(__all__, Missing))
