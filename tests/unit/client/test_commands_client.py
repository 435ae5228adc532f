"""The commands client on real sockets: one outcome for each command, whatever the network does."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import pytest
import trio

from quantmind.client import (
    Approved,
    Beat,
    CommandClient,
    CommandSettings,
    Failed,
    Filled,
    OpenRequest,
    Unknown,
    open_commands,
)
from quantmind.net.errors import NetError
from quantmind.net.zmq import RouterSocket, ZmqContext

QUICK = CommandSettings(answer_within_s=1.0, repeat_after_s=0.1, reopen_after_s=0.2)
PATIENT = CommandSettings(answer_within_s=15.0, repeat_after_s=0.1, reopen_after_s=0.3)
FILL = {
    "status": "success",
    "approved": True,
    "ticket": 5,
    "price": 1.1,
    "volume": 0.1,
    "retcode": 10009,
    "order_id": "o",
}
EXPIRED = {"status": "error", "code": "expired", "message": ""}

Answer = Callable[[dict[str, Any]], Any]
"""A message to the fields of its reply, to raw bytes, or to None for silence."""


@attrs.define
class FakeGateway:
    port: int
    answer: Answer
    heard: list[dict[str, Any]] = attrs.field(factory=list)
    raw: list[bytes] = attrs.field(factory=list)

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    async def serve(self, router: RouterSocket) -> None:
        while True:
            for incoming in await router.receive_batch():
                assert incoming.body is not None
                message = json.loads(incoming.body)
                self.heard.append(message)
                self.raw.append(incoming.body)
                reply = self.answer(message)
                if isinstance(reply, dict):
                    full = {"request_id": message.get("request_id"), "timestamp": time.time(), **reply}
                    router.reply(incoming.route, json.dumps(full).encode())
                elif reply is not None:
                    router.reply(incoming.route, reply)


@contextlib.asynccontextmanager
async def gateway(answer: Answer) -> AsyncIterator[FakeGateway]:
    with ZmqContext() as context:
        router = RouterSocket.bind(context, "127.0.0.1", 0)
        fake = FakeGateway(router.port, answer)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fake.serve, router)
            with trio.fail_after(20):
                yield fake
            nursery.cancel_scope.cancel()


def client_of(fake: FakeGateway, settings: CommandSettings = PATIENT) -> Any:
    return open_commands(fake.url, ea_name="alpha", token="t", magic=7, broker="demo", settings=settings)


async def buy(client: CommandClient, **fields: Any) -> Any:
    return await client.open_position("EURUSD", "0.10", "buy", **fields)


async def test_an_order_carries_what_it_must() -> None:
    """Id, token, account and an end to its time, at most 60 s ahead."""
    async with gateway(lambda message: FILL) as fake, client_of(fake) as client:
        outcome = await buy(client, sl="1.08")
        assert isinstance(outcome, Filled)
        (message,) = fake.heard
        assert {name: message[name] for name in ("type", "ea_name", "magic", "broker", "token", "execute", "sl")} == {
            "type": "trade_open",
            "ea_name": "alpha",
            "magic": 7,
            "broker": "demo",
            "token": "t",
            "execute": True,
            "sl": 1.08,
        }
        assert message["request_id"] == outcome.request_id
        assert 0 < message["expires_at"] - time.time() <= 15
        with trio.fail_after(5):
            await buy(client)
        assert fake.heard[1]["expires_at"] - time.time() <= 5
        assert client.unsettled == ()


async def test_an_unanswered_order_is_repeated_byte_by_byte() -> None:
    """The gateway knows a repeat by its id and its body, so both stay the same, also over a new socket."""
    count = 0

    def answer(message: dict[str, Any]) -> Any:
        nonlocal count
        count += 1
        return FILL if count == 5 else None

    async with gateway(answer) as fake, client_of(fake) as client:
        assert isinstance(await buy(client), Filled)
        assert len(fake.raw) == 5
        assert len(set(fake.raw)) == 1
        statistics = client.statistics()
        assert (statistics.sent, statistics.repeated, statistics.in_flight) == (5, 4, 0)
        assert statistics.reopened >= 1


async def test_silence_leaves_an_order_unknown_and_a_question_not_approved() -> None:
    """No answer in time is a value: Unknown for an order, Failed for whatever carries nothing out."""
    async with gateway(lambda message: None) as fake, client_of(fake, QUICK) as client:
        outcome = await buy(client)
        assert isinstance(outcome, Unknown)
        assert [unknown.request_id for unknown in client.unsettled] == [outcome.request_id]
        verdict = await client.ask(OpenRequest("EURUSD", "0.1", "buy"))
        assert isinstance(verdict, Failed)
        assert (verdict.code, verdict.approved) == ("no_answer", False)
        beat = await client.heartbeat()
        assert isinstance(beat, Failed)


async def test_the_callers_deadline_gives_a_value() -> None:
    """The outcome comes before the caller's own deadline cancels the call."""
    async with gateway(lambda message: None) as fake, client_of(fake) as client:
        with trio.move_on_after(0.4) as scope:
            outcome = await buy(client)
        assert not scope.cancelled_caught
        assert isinstance(outcome, Unknown)
        with trio.move_on_after(0.001):
            late = await buy(client)
            assert isinstance(late, Failed)
            assert late.code == "not_sent"


async def test_a_cancelled_order_is_among_the_unsettled() -> None:
    """Cancelling tells nobody what became of it, so it is kept."""
    async with gateway(lambda message: None) as fake, client_of(fake) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: buy(client, request_id="mine"))
            while not fake.heard:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        (unknown,) = client.unsettled
        assert unknown.request_id == "mine"


async def test_asking_again_never_places() -> None:
    """A question is the order as one that expired long ago; the outcome that is found settles it."""
    known = False

    def answer(message: dict[str, Any]) -> Any:
        if message["expires_at"] != 1:
            return None
        return FILL if known else EXPIRED

    async with gateway(answer) as fake, client_of(fake, QUICK) as client:
        unknown = await buy(client)
        assert isinstance(unknown, Unknown)
        sent = len(fake.heard)
        known = True
        assert isinstance(await client.ask_again(unknown), Filled)
        assert {message["expires_at"] for message in fake.heard[sent:]} == {1}
        bodies = [{k: v for k, v in message.items() if k != "expires_at"} for message in fake.heard]
        assert all(body == bodies[0] for body in bodies)
        assert client.unsettled == ()


async def test_an_order_that_never_came_is_settled_when_its_time_is_over() -> None:
    """Two answers that it is not there, the first after its end, and it did not happen."""

    def answer(message: dict[str, Any]) -> Any:
        return EXPIRED if message["expires_at"] == 1 else None

    async with gateway(answer) as fake, client_of(fake, QUICK) as client:
        with trio.move_on_after(0.5):
            unknown = await buy(client)
        assert isinstance(unknown, Unknown)
        outcome = await client.settle(unknown)
        assert isinstance(outcome, Failed)
        assert outcome.code == "expired"


async def test_a_busy_gateway_is_tried_again() -> None:
    """`busy` means that nothing was done, so the same command is sent again while there is time."""
    replies = [{"status": "error", "code": "busy", "message": "later"}, FILL]

    async with gateway(lambda message: replies.pop(0)) as fake, client_of(fake) as client:
        assert isinstance(await buy(client), Filled)
        assert len(set(fake.raw)) == 1


async def test_many_in_flight_and_answers_in_any_order() -> None:
    """Each caller gets its own answer; what nobody waits for is dropped and counted."""
    held: list[dict[str, Any]] = []

    def answer(message: dict[str, Any]) -> Any:
        held.append(message)
        return None

    with ZmqContext() as context:
        router = RouterSocket.bind(context, "127.0.0.1", 0)
        outcomes: dict[str, Any] = {}
        async with (
            open_commands(
                f"tcp://127.0.0.1:{router.port}", ea_name="alpha", settings=CommandSettings(repeat_after_s=20)
            ) as client,
            trio.open_nursery() as nursery,
        ):

            async def one(name: str) -> None:
                outcomes[name] = await client.ask(OpenRequest("EURUSD", "0.1", "buy"), request_id=name)

            for number in range(50):
                nursery.start_soon(one, f"r{number}")
            taken: list[Any] = []
            with trio.fail_after(20):
                while len(taken) < 50:
                    taken += await router.receive_batch()
            for incoming in reversed(taken):
                name = json.loads(incoming.body)["request_id"]
                said = {
                    "status": "success",
                    "approved": True,
                    "approval_id": name,
                    "approved_volume": 0.1,
                    "valid_until": 1,
                }
                for _ in range(2):
                    router.reply(incoming.route, json.dumps({**said, "request_id": name, "timestamp": 1}).encode())
        assert len(outcomes) == 50
        for name, outcome in outcomes.items():
            assert isinstance(outcome, Approved)
            assert (outcome.request_id, outcome.approval_id) == (name, name)


async def test_an_answer_that_makes_no_sense_settles_nothing() -> None:
    """An order whose answer can't be read may have been carried out."""
    async with gateway(lambda m: {"status": "perhaps"}) as fake, client_of(fake) as client:
        outcome = await buy(client)
        assert isinstance(outcome, Unknown)
        assert "can't be read" in outcome.reason
        assert client.statistics().unreadable == 1


async def test_one_id_one_command() -> None:
    """An id that is in flight can't be used again at the same time; wrong arguments are told at once."""
    async with gateway(lambda message: None) as fake, client_of(fake) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: buy(client, request_id="mine"))
            while not fake.heard:
                await trio.sleep(0.01)
            with pytest.raises(ValueError, match="in flight"):
                await buy(client, request_id="mine")
            with pytest.raises(ValueError, match="volume"):
                await client.open_position("EURUSD", -1, "buy")
            nursery.cancel_scope.cancel()
        unknown = client.unsettled[0]
        with pytest.raises(ValueError, match="question"):
            await client.ask_again(attrs.evolve(unknown.command, execute=False))


async def test_in_flight_is_bounded() -> None:
    """Beyond the limit a command waits within its deadline; one that never left did not happen."""
    limited = CommandSettings(answer_within_s=3, repeat_after_s=20, reopen_after_s=20, max_in_flight=2)
    async with gateway(lambda message: None) as fake, client_of(fake, limited) as client:
        outcomes: list[Any] = []

        async def one() -> None:
            outcomes.append(await buy(client))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(one)
            while len(fake.heard) < 2:
                await trio.sleep(0.01)
            await trio.sleep(0.1)
            assert len(fake.heard) == 2
        # On a busy machine one may find a place in the moment between two deadlines; then it has left.
        failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
        assert len(outcomes) == 5
        assert len(failed) == 5 - len(fake.heard) > 0
        assert {outcome.code for outcome in failed} == {"not_sent"}


async def test_closing_wakes_whoever_waits() -> None:
    """Nobody hangs on a client that was closed."""
    async with gateway(lambda message: None) as fake, trio.open_nursery() as nursery:
        closed = trio.Event()
        async with client_of(fake) as client:

            async def one() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await buy(client)
                closed.set()

            nursery.start_soon(one)
            while not fake.heard:
                await trio.sleep(0.01)
        await closed.wait()
        with pytest.raises(trio.ClosedResourceError):
            await client.heartbeat()


async def test_a_heartbeat_and_wrong_addresses() -> None:
    """What an EA hears of itself; and an address or a name that can't be is told at once."""
    said = {"status": "success", "risk_multiplier": 0.5, "trading_state": "active", "next_heartbeat_s": 5}
    async with gateway(lambda message: said) as fake, client_of(fake) as client:
        beat = await client.heartbeat(balance="100.5")
        assert isinstance(beat, Beat)
        assert (str(beat.risk_multiplier), beat.trading_state) == ("0.5", "active")
    for wrong in ("http://x", "tcp://x", "127.0.0.1:5555", "tcp://x:99999"):
        with pytest.raises(NetError, match="tcp://host:port"):
            async with open_commands(wrong, ea_name="alpha"):
                pass
    with pytest.raises(ValueError, match="ea_name"):
        async with open_commands("tcp://127.0.0.1:1", ea_name="x" * 65):
            pass
