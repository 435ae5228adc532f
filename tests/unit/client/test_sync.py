"""The clients without async: the same answers in threads, interruptible, and no exit that hangs."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any

import pytest
import trio

from quantmind.client import Connected, Disconnected, Failed, FeedSettings, Filled, Tick, Unknown, sync
from quantmind.client.exchange import CommandSettings
from quantmind.client.portal import Portal
from quantmind.net.errors import NetError
from quantmind.net.listen import accept_connections, close_listener, open_listener
from quantmind.net.ws import ConnectionLimits, serve_connection
from quantmind.net.zmq import RouterSocket, ZmqContext
from quantmind.wire import ws_messages

WITHIN_S = 20.0
NOWHERE = "ws://127.0.0.1:1/"


@contextlib.asynccontextmanager
async def _gateway(heard: queue.Queue[dict[str, Any]]) -> AsyncIterator[tuple[str, str]]:
    """Ten ticks for whoever subscribes, and a fill for each order but those commented `silence`."""

    async def serve(raw: Any) -> None:
        async with serve_connection(raw, ConnectionLimits()) as connection:
            await connection.handshake()
            await connection.accept()
            message = json.loads(await connection.receive())
            connection.push(ws_messages.subscribed(message["symbols"], (), 1, "e"))
            for seq in range(1, 11):
                data = {"symbol": "EURUSD", "bid": 1.1, "ask": 1.2, "time_msc": 5, "seq": seq, "broker": "demo"}
                connection.push(json.dumps({"type": "tick", "data": data}).encode())
            await trio.sleep_forever()

    async def answer(router: RouterSocket) -> None:
        while True:
            for incoming in await router.receive_batch():
                message = json.loads(incoming.body or b"")
                heard.put(message)
                fill = {"status": "success", "approved": True, "ticket": 5, "price": 1.1, "volume": 0.1}
                fill |= {"request_id": message["request_id"], "timestamp": 1.0}
                if message.get("comment") != "silence":
                    router.reply(incoming.route, json.dumps(fill).encode())

    listener = open_listener("127.0.0.1", 0)
    with ZmqContext() as context:
        router = RouterSocket.bind(context, "127.0.0.1", 0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(accept_connections, listener, lambda raw: nursery.start_soon(serve, raw)))
            nursery.start_soon(answer, router)
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}/", f"tcp://127.0.0.1:{router.port}"
            nursery.cancel_scope.cancel()
        close_listener(listener)


@pytest.fixture
def heard() -> queue.Queue[dict[str, Any]]:
    return queue.Queue()


@pytest.fixture
def urls(heard: queue.Queue[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    with Portal.running(partial(_gateway, heard), name="fake gateway") as (_, addresses):
        yield addresses


def test_ticks_in_order(urls: tuple[str, str]) -> None:
    """A plain loop sees what an async one does."""
    with sync.open_ticks(urls[0], ["EURUSD"]) as feed:
        numbers = []
        for event in feed:
            if isinstance(event, Tick):
                numbers.append(event.seq)
            if len(numbers) == 10:
                break
        assert numbers == list(range(1, 11))
        assert feed.take(0.05) is None
        feed.add("GBPUSD")
        feed.remove("EURUSD")
        assert feed.symbols == ("GBPUSD",)
        with pytest.raises(ValueError, match="symbols"):
            feed.add("")
        assert feed.statistics().ticks == 10
    with pytest.raises(trio.ClosedResourceError):
        next(feed)


def test_orders_from_many_threads(urls: tuple[str, str]) -> None:
    """Every thread gets its own outcome."""
    with sync.open_commands(urls[1], ea_name="alpha") as client:
        outcomes: list[Any] = []

        def buy() -> None:
            outcomes.append(client.open_position("EURUSD", "0.1", "buy"))

        threads = [threading.Thread(target=buy) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WITHIN_S)
        assert all(isinstance(outcome, Filled) for outcome in outcomes)
        assert len({outcome.request_id for outcome in outcomes}) == 20
        assert isinstance(client.close_position("EURUSD", 5), Filled)
        with pytest.raises(ValueError, match="volume"):
            client.open_position("EURUSD", "much", "buy")
        assert client.statistics().in_flight == 0


def test_leaving_wakes_whoever_waits(urls: tuple[str, str], heard: queue.Queue[dict[str, Any]]) -> None:
    """A thread that waits for an answer hears that the client was closed."""
    ended: queue.Queue[BaseException] = queue.Queue()
    with sync.open_commands(urls[1], ea_name="alpha") as client:

        def buy() -> None:
            try:
                client.open_position("EURUSD", "0.1", "buy", comment="silence")
            except BaseException as error:
                ended.put(error)

        thread = threading.Thread(target=buy)
        thread.start()
        heard.get(timeout=WITHIN_S)
    assert isinstance(ended.get(timeout=WITHIN_S), trio.ClosedResourceError)
    thread.join(WITHIN_S)
    with pytest.raises(trio.ClosedResourceError):
        client.heartbeat()


def test_an_interrupt_ends_a_call_and_keeps_the_order(
    urls: tuple[str, str], heard: queue.Queue[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the midst of an order comes out at once, and the order is among the unsettled."""
    with sync.open_commands(urls[1], ea_name="alpha") as client:
        result = Future.result
        waits = 0

        def interrupted(self: Any, timeout: float | None = None) -> Any:
            nonlocal waits
            waits += 1
            if waits == 1:
                heard.get(timeout=WITHIN_S)
                raise KeyboardInterrupt
            return result(self, timeout)

        monkeypatch.setattr("concurrent.futures.Future.result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.open_position("EURUSD", "0.1", "buy", comment="silence", request_id="mine")
        end = time.monotonic() + WITHIN_S
        while not client.unsettled and time.monotonic() < end:
            time.sleep(0.01)
        (unknown,) = client.unsettled
        assert unknown.request_id == "mine"
        assert isinstance(client.settle(unknown, 0.2), Unknown)


def test_what_is_unsettled_can_be_read_after_the_block(
    urls: tuple[str, str], heard: queue.Queue[dict[str, Any]]
) -> None:
    """Ctrl-C mostly ends the block, too: the order that was in flight is still there to be asked about later."""
    with sync.open_commands(urls[1], ea_name="alpha") as client:

        def order() -> None:
            with contextlib.suppress(trio.ClosedResourceError):
                client.open_position("EURUSD", "0.1", "buy", comment="silence", request_id="mine")

        thread = threading.Thread(target=order)
        thread.start()
        heard.get(timeout=WITHIN_S)
    thread.join(WITHIN_S)
    (unknown,) = client.unsettled
    assert unknown.request_id == "mine"


def test_an_interrupt_does_not_lose_an_outcome_in_silence(
    urls: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the fill is on its way to the caller: nobody gets it any more, so it is told elsewhere."""
    told: queue.Queue[Any] = queue.Queue()
    with sync.open_commands(urls[1], ea_name="alpha") as client:
        result = Future.result

        def interrupted(self: Any, timeout: float | None = None) -> Any:
            result(self, WITHIN_S)
            monkeypatch.undo()
            monkeypatch.setattr("quantmind.client.portal._tell_unread", lambda done: told.put(done.result()))
            raise KeyboardInterrupt

        monkeypatch.setattr("concurrent.futures.Future.result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.open_position("EURUSD", "0.1", "buy", request_id="mine")
        filled = told.get(timeout=WITHIN_S)
    assert isinstance(filled, Filled)
    assert filled.request_id == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_process_does_not_wait_for_a_thread_that_it_lacks(urls: tuple[str, str]) -> None:
    """The loop stays behind in the parent: a call in the child says so at once, and the parent's goes on."""
    program = f"""
import os
from quantmind.client import sync
with sync.open_commands({urls[1]!r}, ea_name="alpha") as client:
    child = os.fork()
    if child == 0:
        try:
            client.heartbeat()
        except Exception as error:
            print(error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print(type(client.open_position("EURUSD", "0.1", "buy")).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines() == [
        "the client stayed in the process that this one was forked from; open another",
        "Filled",
    ], done.stderr


def test_outages_and_wrong_arguments() -> None:
    """An outage is an event or a value, a wrong address an error."""
    quick = CommandSettings(answer_within_s=0.2)
    with sync.open_ticks(NOWHERE, ["EURUSD"], settings=FeedSettings(first_pause_s=0.01)) as feed:
        assert isinstance(next(feed), Disconnected)
    with sync.open_commands("tcp://127.0.0.1:1", ea_name="alpha", settings=quick) as client:
        assert isinstance(client.open_position("EURUSD", "0.1", "buy"), Unknown)
        assert isinstance(client.heartbeat(), Failed)
    with pytest.raises(NetError), sync.open_ticks("http://x", []):
        pass
    with pytest.raises(NetError), sync.open_commands("x", ea_name="alpha"):
        pass


def test_a_program_that_forgets_to_close_ends() -> None:
    """The interpreter's end waits for no client, not even in the midst of a call of another thread."""
    program = f"""
import threading, time
from quantmind.client import sync
ticks = sync.open_ticks({NOWHERE!r}, ["EURUSD"])
feed = ticks.__enter__()
print(type(next(feed)).__name__)
commands = sync.open_commands("tcp://127.0.0.1:1", ea_name="alpha")
client = commands.__enter__()
def wait():
    try:
        client.heartbeat()
    except Exception:
        pass
threading.Thread(target=wait, daemon=True).start()
time.sleep(0.2)
print("end")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["Disconnected", "end"], "")


def test_connected_is_told(urls: tuple[str, str]) -> None:
    """`take` waits for as long as it is told to, and no longer than an event takes."""
    with sync.open_ticks(urls[0], ["EURUSD"]) as feed:
        events = [feed.take(WITHIN_S) for _ in range(3)]
        assert any(isinstance(event, Connected) for event in events)
