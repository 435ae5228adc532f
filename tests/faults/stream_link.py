"""A broker at the end of a line that can go wrong in every way: the ledger broker, the fault proxy, and a link."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import attrs
import trio
from faults.chaos import records
from faults.chaos.broker_link import BrokerLink
from faults.chaos.ledger_broker import LedgerBroker
from faults.chaos.mischief import Mischief

from quantmind.domain.orders import Absent, Placed
from quantmind.domain.sessions import ALWAYS, Sessions
from quantmind.errors import BrokerUnavailable
from quantmind.ports import Poll, Recovery
from quantmind.testing.proxy import FaultProxy, open_proxy


@attrs.define(eq=False)
class StreamLink(BrokerLink):
    """A `BrokerLink` whose prices come over the line: it is silent when they do not, and can be in three ways.

    `deaf`: a subscription is lost, and only a new one helps. `stuck`: something of its own hangs, and only a new
    beginning helps. A connection that lets nothing through is the line's own doing.
    """

    deaf: bool = False
    stuck: bool = False
    finds: trio.Event | None = None
    """Set: no order is looked up before this happens."""
    hours: Sessions = ALWAYS
    steps: list[tuple[Recovery, float]] = attrs.field(factory=list)

    def sessions(self, symbol: str) -> Sessions:
        """The hours that a test sets."""
        return self.hours

    async def poll(self) -> Poll:
        """What has come since; nothing while it is silent."""
        poll = await super().poll()
        if self.deaf or self.stuck:
            return Poll(())
        try:
            await self._read("symbols")
        except BrokerUnavailable:
            if self._lines is None:
                raise
            return Poll(())
        return poll

    async def find(self, tag: str) -> Placed | Absent | None:
        """See `quantmind.ports.Broker`."""
        if self.finds is not None:
            await self.finds.wait()
        return await super().find(tag)

    async def recover(self, step: Recovery, symbols: Sequence[str]) -> None:
        """See `quantmind.ports.Broker`."""
        self.steps.append((step, trio.current_time()))
        await super().recover(step, symbols)
        self.deaf = False if step is Recovery.RESUBSCRIBE else self.deaf
        self.stuck = False if step is Recovery.RESTART else self.stuck


@attrs.frozen(eq=False)
class Line:
    """A broker, the line to it, and who is linked to it by that line. `mischief` of the server is its own trouble."""

    server: LedgerBroker
    proxy: FaultProxy
    link: StreamLink


@contextlib.asynccontextmanager
async def open_line(folder: Path) -> AsyncIterator[Line]:
    """All of it on this machine, for the length of the block; the ledger is in `folder`."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery, open_proxy("127.0.0.1", port) as proxy:
        server = LedgerBroker(records.Appender(folder / "ledger.jsonl", durable=False), Mischief(3), nursery)
        nursery.start_soon(trio.serve_listeners, server.serve, listeners)
        link = StreamLink("demo", proxy.port)
        nursery.start_soon(link.run)
        yield Line(server, proxy, link)
        nursery.cancel_scope.cancel()
