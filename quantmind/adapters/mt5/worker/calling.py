"""A worker that calls its gateway, as the bridge EA does: for a terminal on a machine that nobody can connect to."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

import attrs
import trio

from quantmind.adapters.mt5.terminal.calls import NoAnswer
from quantmind.adapters.mt5.worker.desk import Desk, Unavailable
from quantmind.adapters.mt5.worker.serve import opened_service
from quantmind.adapters.mt5.worker.settings import Settings
from quantmind.net.errors import NetError
from quantmind.net.zmq import DealerSocket, Incoming, ZmqContext
from quantmind.wire import bridge

logger: Final = logging.getLogger("quantmind.mt5.worker")

OFFER_EVERY_S: Final = 1.0
"""How often it offers itself until it is let in; and after so long without a question, for it may be another gateway
by now, one that does not know it. One that does gives the same answer, and nothing is disturbed."""
HIGH_WATER: Final = 256
HELLO_ID: Final = "hello-"


class Replaced(Exception):
    """Another bridge has taken its place; two that fight for it would both be useless."""


async def call(
    settings: Settings,
    host: str,
    port: int,
    broker: str,
    *,
    module: Any = None,
    clock: Callable[[], float] = time.time,
    answers: Callable[[bytes], bytes | None] = lambda reply: reply,
    every_s: float = OFFER_EVERY_S,
) -> None:
    """Offer the terminal to a gateway and answer what it asks, until cancelled.

    While the gateway is away it goes on offering; while the terminal is, it offers nothing and says so in its log.

    Args:
        settings: of the terminal; `token` is one of the gateway with scope bridge.
        host: where the gateway's command port is, and `port`.
        broker: the gateway's name for it; empty: the one that takes this account.
        module: the terminal's module, if it is not to be imported by its name.
        clock: Unix seconds.
        answers: what becomes of an answer before it goes out; None: it is lost. For tests.
        every_s: how often it offers the terminal while it is asked nothing.

    Raises:
        NoModule: the terminal's module can't be imported.
        SentFileError: what was sent can't be kept.
        NetError: the address can't be used.
        Replaced: another bridge of the same account has come.
    """
    with opened_service(settings, module, clock) as service, ZmqContext() as context:
        socket = DealerSocket.connect(
            context,
            host,
            port,
            max_message_bytes=bridge.MAX_REQUEST_BYTES,
            high_water=HIGH_WATER,
            only_connected=True,
        )
        await _Call(socket, Desk.of_a_caller(service), settings.token, broker, answers, every_s).run()


@attrs.define(eq=False)
class _Call:
    """One worker's side of it."""

    socket: DealerSocket
    desk: Desk
    token: str = attrs.field(repr=False)
    broker: str
    answers: Callable[[bytes], bytes | None]
    every_s: float
    _session: str = attrs.field(default="", init=False, repr=False)
    _hellos: int = attrs.field(default=0, init=False)
    """Hellos said, which is the number of the last one; and of the last one that was answered:"""
    _heard: int = attrs.field(default=0, init=False)
    _told: str = attrs.field(default="", init=False)

    async def run(self) -> None:
        due = trio.current_time()
        while True:
            if trio.current_time() >= due:
                self._offer()
                due = trio.current_time() + self.every_s
            with trio.move_on_at(due):
                for incoming in await self.socket.receive_batch():
                    if self._take(incoming):
                        due = trio.current_time() + self.every_s

    # Whether the gateway asked something: then it knows us.
    def _take(self, incoming: Incoming) -> bool:
        if incoming.body is not None and bridge.kind_in(incoming.body) == "reply":
            self._hear(incoming.body)
            return False
        if not self._session:
            return False  # of a gateway that has not let us in: whatever it is, it is not for us
        answer = self.answers(self.desk.answer(incoming, self._session))
        if answer is not None:
            self._send(answer)
        return True

    def _offer(self) -> None:
        try:
            welcome = self.desk.service.handle(bridge.Hello(id="0", protocol=bridge.PROTOCOL, token=""))
        except (Unavailable, NoAnswer) as exc:
            self._say(f"the terminal can't be offered: {exc}")
            return
        assert isinstance(welcome, bridge.Welcome)
        self._hellos += 1
        self._send(
            bridge.encode(
                bridge.Offer(
                    id=f"{HELLO_ID}{self._hellos}",
                    protocol=bridge.PROTOCOL,
                    account=welcome.account,
                    server=welcome.server,
                    margin_mode=welcome.margin_mode,
                    symbols=welcome.symbols,
                    token=self.token,
                    broker=self.broker,
                )
            )
        )

    def _hear(self, body: bytes) -> None:
        try:
            reply = bridge.decode_reply(body)
        except bridge.BridgeFault as fault:
            self._say(f"the gateway's answer can't be read: {fault}")
            return
        if reply.error is not None:
            self._session = ""
            if reply.code == bridge.REPLACED:
                raise Replaced(reply.error)
            self._say(f"the gateway does not take it: {reply.error}")
        # A slow gateway answers when the next hello has gone out already, and asks right after its answer.
        elif self._heard < (number := _hello_number(reply.id)) <= self._hellos:
            self._heard = number
            try:
                session = bridge.read(reply.data, bridge.Accepted).session
            except bridge.BridgeFault as fault:
                self._say(f"the gateway's answer can't be read: {fault}")
                return
            if session != self._session:
                self._session, self._told = session, ""
                self._say("the gateway has taken it")

    def _send(self, payload: bytes) -> None:
        try:
            self.socket.send(payload)
        except NetError as error:
            self._say(f"nothing can be sent: {error}")

    def _say(self, what: str) -> None:
        if what != self._told:
            self._told = what
            logger.info("call.gateway %s", ascii(what)[1:-1])


# 0: it is none.
def _hello_number(request_id: str) -> int:
    number = request_id.removeprefix(HELLO_ID)
    return int(number) if number.isdecimal() and number != request_id else 0
