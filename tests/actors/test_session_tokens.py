"""Tokens over WebSocket: what ends with them, and what one that is bound to brokers is shown."""

from __future__ import annotations

from typing import Any

import pytest
from channel_records import multiplier, state
from protocol.ws import ws_gateway
from protocol.ws.ws_gateway import open_gateway

from quantmind.records import Event
from quantmind.wire.auth import Denial, Identity

BRANCH = {"Authorization": "Bearer branch-token"}


@pytest.fixture(autouse=True)
def tokens(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The gateway's tokens, for a test to change."""
    found: dict[str, Any] = {
        **ws_gateway.TOKENS,
        "branch-token": Identity("branch", frozenset({"read"}), brokers=frozenset({"live"})),
    }
    monkeypatch.setattr(ws_gateway, "TOKENS", found)
    return found


@pytest.mark.parametrize("how", ["header", "message"])
async def test_a_revoked_token_ends_its_sessions(how: str, tokens: dict[str, Any]) -> None:
    """With an error that names it and 4001; who came with another, or with none, stays."""
    async with open_gateway() as gateway, gateway.connect() as other, gateway.connect() as nobody:
        headers = {"Authorization": "Bearer good-token"} if how == "header" else None
        async with gateway.connect(headers) as client:
            if how == "message":
                await client.ask({"type": "auth", "token": "good-token"})
            await client.ask({"type": "subscribe", "channels": ["risk"]})
            await other.ask({"type": "auth", "token": "all-token"})
            gateway.clients.recheck()
            assert (await client.ask({"type": "ping"}))["type"] == "pong"
            del tokens["good-token"]
            gateway.clients.recheck()
            error = await client.receive()
            assert (error["code"], error["type"]) == ("unauthorized", "error")
            assert "the token good has been revoked" in error["message"]
            assert await client.closed() == 4001
        gateway.clients.recheck()
        assert (await other.ask({"type": "ping"}))["type"] == "pong"
        assert (await nobody.ask({"type": "ping"}))["type"] == "pong"


@pytest.mark.parametrize(
    ("denial", "code", "closes"),
    [
        (Denial("unauthorized", "expired", "the token desk has expired"), "unauthorized", 4001),
        (Denial("busy", "too_many_wrong", "too many wrong tokens came from here"), "rate_limited", 4029),
    ],
)
async def test_a_token_that_opens_nothing(denial: Denial, code: str, closes: int, tokens: dict[str, Any]) -> None:
    """The reason is said, and the connection closed with a code of its own."""
    tokens["old"] = denial
    async with open_gateway() as gateway, gateway.connect() as client:
        error = await client.ask({"type": "auth", "token": "old", "id": "1"})
        assert (error["code"], error["message"], error["id"]) == (code, denial.message, "1")
        assert await client.closed() == closes


async def test_symbols_of_a_bound_token() -> None:
    """It sees and follows those of its brokers, and hears why not where it asks for others."""
    async with open_gateway() as gateway, gateway.connect(BRANCH) as client:
        assert (await client.ask({"type": "get_symbols"}))["symbols"] == ["EURUSD@live", "XAUUSD"]
        refused = await client.ask({"type": "subscribe", "symbols": ["XAUUSD", "EURUSD"], "id": "2"})
        assert (refused["code"], refused["id"]) == ("forbidden", "2")
        assert "bound to the brokers live and may not reach demo" in refused["message"]
        assert (await client.subscribe("XAUUSD", "EURUSD@live"))["symbols"] == ["XAUUSD", "EURUSD@live"]


async def test_channels_of_a_bound_token() -> None:
    """Snapshots, lines and lines after an outage are of its brokers; multipliers hold everywhere; events of none are
    not its."""
    async with open_gateway() as gateway:
        await gateway.record(state(broker="demo"), state(broker="live"), multiplier())
        async with gateway.connect(BRANCH) as client:
            answer = await client.ask({"type": "subscribe", "channels": ["risk", "events"]})
            snapshot = [await client.receive() for _ in range(answer["snapshots"]["risk"])]
            assert {each["broker"] for each in snapshot} == {"live", None}
            at = answer["journal_seq"]
            await gateway.record(state("halted", broker="demo"), Event("a", None, {}, 1.0), Event("b", "demo", {}, 1.0))
            await gateway.record(Event("c", "live", {}, 1.0), state("halted", broker="live"))
            lines = [await client.receive() for _ in range(2)]
            assert [line["broker"] for line in lines] == ["live", "live"]
        async with gateway.connect(BRANCH) as client:
            await client.send(
                {"type": "subscribe", "channels": ["risk", "events"], "resume": {"epoch": "x", "journal_seq": at}}
            )
            answer = await client.receive()
            assert answer["recovered"] is True
            again = [await client.receive() for _ in range(2)]
            assert again == lines


async def test_another_binding_ends_the_channels(tokens: dict[str, Any]) -> None:
    """What was begun for one token does not go on for another that sees other brokers."""
    async with open_gateway() as gateway, gateway.connect(BRANCH) as client:
        await client.ask({"type": "subscribe", "channels": ["events"]})
        assert (await client.ask({"type": "auth", "token": "good-token"}))["type"] == "authenticated"
        assert (await client.receive())["channels"] == ["events"]
