"""A line to a worker: requests out, replies back, each within its time."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

import attrs
import msgspec
import trio

from quantmind.errors import QuantMindError
from quantmind.net.bell import Bell
from quantmind.net.errors import NetError, PeerGone
from quantmind.net.zmq import Incoming
from quantmind.wire import bridge
from quantmind.wire.bridge import AnyRequest, BridgeFault

CONNECT_EVERY_S: Final = 0.01
"""A worker that listens is reached within this."""
LOOK_EVERY_S: Final = 0.1
"""While nothing comes, how often it is looked whether the worker is still there."""
T = TypeVar("T", bound=msgspec.Struct)


class NotSent(QuantMindError):
    """The request did not go out: nobody is connected."""


class Refusal(QuantMindError):
    """The worker answered that it did not do it. `code` is one of the bridge's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class AnswerLost(QuantMindError):
    """The request went out, and its answer will not come; what it did is not known."""


class Stuck(AnswerLost):
    """The worker has not answered within the time that the request had."""


class Peer(Protocol):
    """A worker, as a place where messages go in and come out. `DealerSocket` is one."""

    def send(self, payload: bytes) -> bool:
        """Send a message, never waiting; False: it did not go out. Raises NetError, of which the same is true."""
        ...

    async def receive_batch(self) -> Sequence[Incoming]:
        """What has come, once there is something.

        Raises:
            PeerGone: the worker has left for good.
            trio.ClosedResourceError: `close` was called.
        """
        ...

    def close(self) -> None:
        """Let go. Safe to repeat."""
        ...


@attrs.define(eq=False)
class _Outstanding:
    """A request that went out. `deadline` is when its worker is stuck, whoever still waits for it."""

    deadline: float
    reply: bridge.Reply | None = None
    lost: str | None = None

    @property
    def settled(self) -> bool:
        return self.reply is not None or self.lost is not None


@attrs.define(eq=False)
class Line:
    """A connection to one worker, which answers in the order that it is asked.

    A worker does one thing at a time, so a request has its own time after that of those before it. A reply that
    overtakes another one proves that the other is lost. Several tasks may ask at once; whoever waits reads for all.

    Args:
        alive: whether the worker has not ended.
        last: the number of the last request of the line before: a late reply to it is none to this one's.
        on_event: told that the worker says unasked that something has happened to the account.
        proof: what all that the worker says must have in it; empty: nothing.
    """

    _peer: Peer
    _alive: Callable[[], bool] = lambda: True
    last: int = 0
    _on_event: Callable[[], None] = lambda: None
    _proof: str = attrs.field(default="", repr=False)
    session: str = attrs.field(default="", init=False, repr=False)
    """What every request has in it, once the worker has said it."""
    _outstanding: dict[str, _Outstanding] = attrs.field(factory=dict, init=False)
    _reading: bool = attrs.field(default=False, init=False)
    _news: Bell = attrs.field(factory=Bell, init=False)
    _closed: str | None = attrs.field(default=None, init=False)
    faults: int = attrs.field(default=0, init=False)
    """Messages from the worker that were no reply to anything."""

    @property
    def closed(self) -> bool:
        return self._closed is not None

    def next_id(self) -> str:
        """An id that no request of this line had."""
        self.last += 1
        return str(self.last)

    async def ask(self, request: AnyRequest, kind: type[T], within_s: float) -> T:
        """Send a request once and return what its reply has.

        Cancelled, the request may still be carried out, and its time goes on for those behind it.

        Raises:
            NotSent: nothing went out.
            Refusal: the worker says that it did not do it.
            AnswerLost: it went out, and nobody will hear what came of it; `Stuck`: since its time is over.
        """
        one = self._send(request, within_s)
        try:
            with trio.move_on_at(one.deadline):
                await self._wait(one)
        finally:
            if one.settled:
                self._outstanding.pop(request.id, None)
        if one.reply is None:
            if one.lost is not None:
                raise AnswerLost(one.lost)
            raise Stuck(f"the worker has not answered {_name(request)} within {within_s:g} s")
        if one.reply.error is not None:
            raise Refusal(one.reply.code, one.reply.error)
        try:
            return bridge.read(one.reply.data, kind)
        except BridgeFault as fault:
            raise AnswerLost(f"the worker's answer to {_name(request)} can't be read: {fault}") from None

    async def reach(self, request: AnyRequest, kind: type[T], within_s: float) -> T:
        """The same, tried until somebody is connected. Raises as `ask` does."""
        end = trio.current_time() + within_s
        while True:
            try:
                return await self.ask(request, kind, max(0.0, end - trio.current_time()))
            except NotSent:
                if self.closed or trio.current_time() >= end:
                    raise
            await trio.sleep(CONNECT_EVERY_S)

    def close(self, why: str) -> None:
        """Let go; whoever waits hears that the answer is lost. Safe to repeat."""
        if self._closed is not None:
            return
        self._closed = why
        self._peer.close()
        for one in self._outstanding.values():
            if not one.settled:
                one.lost = why
        self._news.ring()

    # --- inside ------------------------------------------------------------------------------------------------

    def _send(self, request: AnyRequest, within_s: float) -> _Outstanding:
        if self._closed is not None:
            raise NotSent(self._closed)
        if self.session:
            request = msgspec.structs.replace(request, session=self.session)
        payload = bridge.encode(request)
        if len(payload) > bridge.MAX_REQUEST_BYTES:
            raise NotSent(f"{_name(request)} has {len(payload)} bytes, at most {bridge.MAX_REQUEST_BYTES} are sent")
        try:
            sent = self._peer.send(payload)
        except NetError as error:
            raise NotSent(str(error)) from error
        if not sent:
            raise NotSent("no worker is connected")
        before = max((one.deadline for one in self._outstanding.values() if not one.settled), default=-math.inf)
        one = _Outstanding(max(before, trio.current_time()) + within_s)
        self._outstanding[request.id] = one
        return one

    async def _wait(self, one: _Outstanding) -> None:
        while not one.settled:
            if self._reading:
                await self._news.wait()
                continue
            self._reading = True
            batch: Sequence[Incoming] = ()
            try:
                with trio.move_on_after(LOOK_EVERY_S) as silence:
                    batch = await self._peer.receive_batch()
            except trio.ClosedResourceError:
                continue  # whoever closed it has said so to everybody
            except PeerGone as gone:
                self.close(gone.reason)
                continue
            finally:
                self._reading = False
                self._news.ring()  # whoever waited for this one to read may have to read now
            for incoming in batch:
                self._take(incoming.body)
            if silence.cancelled_caught and not self._alive():
                self.close("the worker has ended")

    def _take(self, body: bytes | None) -> None:
        try:
            reply = bridge.decode_said(b"" if body is None else body)
        except BridgeFault:
            self.faults += 1
            return
        if not secrets.compare_digest(reply.session.encode(), self._proof.encode()):
            self.close("somebody else answered in the worker's name")
            return
        if isinstance(reply, bridge.Transaction):
            self._on_event()
            return
        one = self._outstanding.get(reply.id)
        if one is None or one.settled:
            self.faults += 1
            return
        one.reply = reply
        number = int(reply.id)
        for request_id, earlier in list(self._outstanding.items()):
            if int(request_id) < number and not earlier.settled:
                earlier.lost = "its answer was lost: a later one has come"
            if int(request_id) <= number:  # whoever still waits has hold of it
                del self._outstanding[request_id]


def _name(request: AnyRequest) -> str:
    return str(request.__struct_config__.tag)
