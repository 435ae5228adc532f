"""Golden conversations over the real socket: each file of `golden` is what a client sends and what it gets.

`send` is sent at once: objects as JSON, `{"$text": …}` as it is, `{"$binary": hex}` as a binary message and
`{"$long": n}` as a text of n characters. `expect` is what comes back, in order; an entry with `$publish` (ticks),
`$feed` (a feed's state), `$record` (what actors write down: names in `channel_records` with arguments), `$sample` (an
account's balance) or `$stop` is done by the gateway at that point. `$timestamp`, `$epoch`, `$text` and `$number` stand
for what differs from run to run, `$epoch` also in what is sent. `before` happens before the client connects, `others`
is how many clients are there already, `config` and `headers` are of the gateway and of the handshake, `close` is the
code at the end.
"""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import channel_records
import pytest
import trio
from protocol.ws.ws_gateway import Client, WsGateway, open_gateway

FOLDER = Path(__file__).parent / "golden"
GOLDEN = sorted(FOLDER.glob("*.json"))
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
IN_SCOPE = {
    "sent": {"subscribe", "unsubscribe", "get_symbols", "ping", "auth"},
    "received": {
        *("tick", "subscribed", "unsubscribed", "symbols", "pong", "error", "heartbeat", "status", "authenticated"),
        *("account", "order", "position", "deal", "risk", "event"),
    },
    "errors": {
        *("invalid_json", "invalid_message", "unknown_type", "no_symbols", "max_clients", "rate_limited"),
        *("binary_unsupported", "unauthorized", "forbidden", "unknown_channel"),
    },
    "closes": {1001, 1009, 1013, 4001},
}


def matches(expected: Any, got: Any, epoch: str) -> bool:
    """Whether a message is as expected: no field more, none less."""
    match expected:
        case "$timestamp":
            return isinstance(got, str) and TIMESTAMP.match(got) is not None
        case "$text":
            return isinstance(got, str) and got != ""
        case "$number":
            return isinstance(got, int)
        case "$epoch":
            return bool(got == epoch)
        case dict():
            return (
                isinstance(got, dict)
                and expected.keys() == got.keys()
                and all(matches(value, got[key], epoch) for key, value in expected.items())
            )
        case list():
            return (
                isinstance(got, list)
                and len(got) == len(expected)
                and all(matches(a, b, epoch) for a, b in zip(expected, got, strict=True))
            )
        case _:
            return type(expected) is type(got) and bool(expected == got)


async def act(gateway: WsGateway, event: Any, nursery: trio.Nursery) -> bool:
    """Do what an entry says; False: it is a message to expect."""
    match event:
        case {"$publish": ticks, **rest}:
            gateway.publish(*(tuple(tick) for tick in ticks), **rest)
        case {"$feed": [state, age_ms]}:
            gateway.feed(state, age_ms)
        case {"$record": records}:
            await gateway.record(*(getattr(channel_records, name)(*given) for name, *given in records))
        case {"$sample": balance}:
            gateway.channels.accounts.put(channel_records.sample(balance, taken_at=trio.current_time()))
        case {"$stop": True}:
            nursery.start_soon(gateway.tree.stop)
        case _:
            return False
    return True


def read(name: str) -> Any:
    """What a golden file says."""
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


async def send(client: Client, message: Any, epoch: str) -> None:
    match message:
        case {"resume": {"epoch": "$epoch"}}:
            await client.send({**message, "resume": {**message["resume"], "epoch": epoch}})
        case {"$text": text}:
            await client.send(text)
        case {"$binary": data}:
            await client.send_binary(bytes.fromhex(data))
        case {"$long": size}:
            await client.send("x" * size)
        case _:
            await client.send(message)


@pytest.mark.parametrize("name", [path.stem for path in GOLDEN])
async def test_conversation(name: str, nursery: trio.Nursery) -> None:
    """The gateway answers exactly as the file says."""
    golden = read(name)
    async with contextlib.AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(open_gateway(**golden.get("config", {})))
        for event in golden.get("before", ()):
            assert await act(gateway, event, nursery)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(golden.get("others", 0)):
            await (await stack.enter_async_context(gateway.connect())).ask({"type": "ping"})
        client = await stack.enter_async_context(gateway.connect(golden.get("headers")))
        for message in golden["send"]:
            await send(client, message, gateway.last.epoch)
        for number, expected in enumerate(golden["expect"]):
            if not await act(gateway, expected, nursery):
                got = await client.receive()
                assert matches(expected, got, gateway.last.epoch), f"message {number}: {got} is not {expected}"
        if "close" in golden:
            assert await client.closed() == golden["close"]
        else:
            assert (await client.ask({"type": "ping", "id": "the end"}))["id"] == "the end"


def test_every_message_in_scope_has_a_file() -> None:
    """Message types, error codes and close codes of the protocol, but for those that take seconds to provoke."""
    files = [read(path.stem) for path in GOLDEN]
    sent = [m for file in files for m in file["send"] if isinstance(m, dict)]
    got = [m for file in files for m in file["expect"] if "type" in m]
    assert {m["type"] for m in sent if "type" in m} >= IN_SCOPE["sent"]
    assert {m["type"] for m in got} == IN_SCOPE["received"]
    assert {m["code"] for m in got if m["type"] == "error"} == IN_SCOPE["errors"]
    assert {file["close"] for file in files if "close" in file} == IN_SCOPE["closes"]
    assert all(file["what"] for file in files)
