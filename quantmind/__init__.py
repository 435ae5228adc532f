"""QuantMind: a gateway between MetaTrader 5 and the rest of the world.

Layout: `domain` is pure; `ports` is what the centre needs from outside; `config`, `wire` and `net` read files,
messages and sockets; `adapters` are brokers and stores; `edges` are the gateway's own doors; `client` is for
programs outside. The running system's shape is in the package `actors`; `app` puts it together, `cli` starts it.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("quantmind-gateway")
except PackageNotFoundError:  # run from a tree that was never installed
    __version__ = "0.1.0+tree"

PROTOCOL = 1
"""The version of the wire protocol; see docs/protocol.md."""
