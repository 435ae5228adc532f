"""What test_broker_trouble.py shows on a mock clock, once on a real one: a whole gateway, its ports, its journal.

The broker's line goes dead, loses answers, and gets stuck; meanwhile a person trades by REST and an EA hears pushes.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import trio
from faults.stream_link import Line, open_line
from gateway_process import TOKEN, write_config

from quantmind.app import Gateway, open_gateway
from quantmind.client.rest import OutcomeUnknown, Refused, RestClient
from quantmind.config import load
from quantmind.net.zmq import SubSocket, ZmqContext
from quantmind.ports import Recovery

DEMO = {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "stale_after_s": 1, "breaker": {"failures": 5, "open_s": 3}}
WITHIN_S = 60.0


@attrs.define(eq=False)
class Desk:
    """A person at the REST port."""

    client: RestClient
    line: Line
    _keys: Any = attrs.field(factory=lambda: itertools.count(1), init=False)

    async def ask(self, what: Callable[..., Any], *args: Any, **more: Any) -> Any:
        return await trio.to_thread.run_sync(partial(what, *args, **more))

    async def broker(self) -> dict[str, Any]:
        """What /status says of it."""
        status = await self.ask(self.client.get, "/status")
        found: dict[str, Any] = status["brokers"][0]
        return found

    async def until(self, what: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Wait until /status says so of the broker."""
        with trio.fail_after(WITHIN_S):
            while not what(found := await self.broker()):
                await trio.sleep(0.05)
        return found

    async def live(self) -> None:
        await self.until(lambda broker: broker["condition"]["state"] == "ok" and broker["feed"] == "live")

    async def open(self) -> int:
        body = {"symbol": "EURUSD", "action_type": "BUY", "volume": 0.1, "stop_loss": 1.0}
        reply = await self.ask(self.client.send, "POST", "/trade", body, key=f"o{next(self._keys)}")
        return int(reply["ticket"])

    async def open_at_last(self) -> int:
        """Open something as soon as nothing is against it: orders that were unknown are being looked up."""
        with trio.fail_after(WITHIN_S):
            while True:
                with contextlib.suppress(Refused):
                    return await self.open()
                await trio.sleep(0.5)

    async def rules_against(self) -> set[str]:
        """Open something that must be refused; the rules that were against it."""
        try:
            await self.open()
        except Refused as refused:
            return {reason["rule"] for reason in refused.problem["reasons"]}
        raise AssertionError("it was not refused")

    async def close(self, ticket: int) -> None:
        """Close it, and ask again for as long as nobody knows; a refusal would end the test."""
        path = f"/brokers/demo/positions/{ticket}/close"
        with trio.fail_after(WITHIN_S):
            while ticket in self.line.server.book.positions:
                try:
                    await self.ask(self.client.send, "POST", path, {}, key=f"c{next(self._keys)}")
                except OutcomeUnknown:
                    await trio.sleep(0.5)
                except Refused as refused:
                    if refused.status != 404:  # else it is gone, and was still shown here
                        raise


async def test_once_for_real(tmp_path: Path) -> None:
    """Each step of the watchdog and each state of the breaker, seen in /status, heard by an EA, read in the journal."""
    config = load(write_config(tmp_path, {"demo": DEMO}), {})
    async with open_line(tmp_path) as line, trio.open_nursery() as nursery:
        with open_gateway(config, token=TOKEN, make_broker=lambda *_: line.link) as gateway:
            await nursery.start(gateway.tree.root.run)
            with RestClient(gateway.addresses["rest"], TOKEN) as client, ZmqContext() as context:
                pushes: list[dict[str, Any]] = []
                async with trio.open_nursery() as hearing:
                    hearing.start_soon(_listen, context, gateway, pushes)
                    await _walk(Desk(client, line), pushes)
                    hearing.cancel_scope.cancel()
            await gateway.tree.root.stop()
        nursery.cancel_scope.cancel()


async def _walk(desk: Desk, pushes: list[dict[str, Any]]) -> None:
    line, link = desk.line, desk.line.link
    await desk.live()
    tickets = [await desk.open() for _ in range(8)]

    # A subscription is lost: it is asked for again.
    link.deaf = True
    await desk.until(lambda broker: broker["recoveries"]["resubscribe"] == 1)
    await desk.live()
    # The line lets nothing through: it is connected again. The account could not be read, either.
    line.proxy.swallow_all()
    await desk.until(lambda broker: "feed_stale" in _codes(broker))
    await desk.close(tickets.pop())
    await desk.until(lambda broker: broker["recoveries"]["reconnect"] == 1)
    await desk.live()
    # Something inside hangs: it is restarted.
    link.stuck = True
    await desk.until(lambda broker: "feed_stale" in _codes(broker))
    await desk.close(tickets.pop())
    found = await desk.until(lambda broker: broker["recoveries"]["restart"] >= 1)
    assert found["recoveries"]["last"]["step"] in [step.value for step in Recovery]
    await desk.live()

    # Answers to orders are lost on their way back: the breaker opens, closes go out.
    line.server.mischief.set({"drop": 1.0})
    while (await desk.broker())["breaker"]["state"] == "closed":
        await desk.close(tickets.pop())
    link.finds = trio.Event()
    assert "breaker" in await desk.rules_against()
    await desk.until(lambda broker: broker["breaker"]["state"] == "half_open")
    assert "breaker" in await desk.rules_against()
    line.server.mischief.set({})
    await desk.close(tickets.pop())
    await desk.until(lambda broker: broker["breaker"]["state"] == "closed")
    link.finds.set()
    await desk.live()
    await desk.close(await desk.open_at_last())

    told = [(push["trading_state"], push["cause"]) for push in pushes]
    assert any(state == "reduce_only" and "no price comes" in cause for state, cause in told), told
    assert any(state == "reduce_only" and "calls in a row failed" in cause for state, cause in told), told
    assert told[-1][0] == "active"
    lines = await desk.ask(lambda: list(desk.client.items("/journal", kind="event")))
    events = [line["body"] for line in lines]
    steps = {each["step"] for each in events if each["name"] == "recover"}
    assert steps == {"resubscribe", "reconnect", "restart"}
    codes = {cause["code"] for each in events if each["name"] == "condition" for cause in each["causes"]}
    # What flaps is written down ever more rarely: that the breaker was a cause is in the pushes.
    assert "feed_stale" in codes


async def _listen(context: ZmqContext, gateway: Gateway, pushes: list[dict[str, Any]]) -> None:
    """Keep every push of the account's state."""
    port = urlsplit(gateway.addresses["publish"]).port
    assert port is not None
    with contextlib.closing(SubSocket.connect(context, "127.0.0.1", port)) as socket:
        socket.subscribe(b"state.demo")
        while True:
            for incoming in await socket.receive_batch(100):
                assert incoming.body is not None
                pushes.append(json.loads(incoming.body))


def _codes(broker: dict[str, Any]) -> list[str]:
    return [cause["code"] for cause in broker["condition"]["causes"]]
