"""Recordings played by the simulator: whole, in order, with prices that orders meet, and with cuts."""

from __future__ import annotations

import contextlib
import gzip
import json
from decimal import Decimal

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio_websocket import ConnectionClosed

from quantmind.testing.binance.recordings import Cut, read_recording

NAMES = ("btcusdt@bookTicker", "btcusdt@trade")
START_NS = 1_700_000_000_000_000_000


def message(number):
    """Every third one is a trade; times are 10 ms apart."""
    if number % 3 == 2:
        data = {
            "e": "trade",
            "E": number,
            "s": "BTCUSDT",
            "t": number,
            "p": "1000.50",
            "q": "0.1",
            "T": number,
            "m": True,
        }
        return NAMES[1], data
    return NAMES[0], {
        "u": number,
        "s": "BTCUSDT",
        "b": f"{1000 + number}.00",
        "B": "1",
        "a": f"{1001 + number}.00",
        "A": "2",
    }


@pytest.fixture
def record(tmp_path):
    def write(count, pack=True):
        path = tmp_path / ("a.gz" if pack else "a.txt")
        lines = []
        for number in range(count):
            stream, data = message(number)
            lines.append(f"{START_NS + number * 10_000_000} {json.dumps({'stream': stream, 'data': data})}\n")
        path.write_bytes(gzip.compress("".join(lines).encode()) if pack else "".join(lines).encode())
        return path

    return write


async def gather(ws, into):
    """Keep what comes until the connection ends."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            into.append(json.loads(await ws.get_message()))


def ids(said):
    return [each["data"].get("u", each["data"].get("t")) for each in said if each["stream"] in NAMES]


@pytest.mark.parametrize("pack", [True, False])
def test_a_recording_is_read(record, pack):
    """Times, streams and what was in the envelopes, byte by byte."""
    read = list(read_recording(record(3, pack)))
    assert [(each.stream, json.loads(each.payload)) for each in read] == [message(number) for number in range(3)]
    assert (read[1].received_ns, read[1].symbol, read[1].kind) == (START_NS + 10_000_000, "BTCUSDT", "bookTicker")


@pytest.mark.parametrize(
    "line", ["x", "1 []", 'x {"stream": "a@b"}', '1 {"stream": "a", "data": 1}', '1 {"stream": "a@", "data": 1}', ""]
)
def test_a_line_that_is_none_is_named(tmp_path, line):
    """A damaged recording is refused with the number of its line."""
    path = tmp_path / "a.txt"
    path.write_text(f'1 {{"stream": "a@b", "data": 1}}\n{line}\n')
    with pytest.raises(ValueError, match="line 2"):
        list(read_recording(path))


def test_what_came_over_rest_is_passed_over(tmp_path):
    """A snapshot among the messages has no stream."""
    path = tmp_path / "a.txt"
    path.write_text('1 {"lastUpdateId": 1}\n2 {"stream": "a@b", "data": 1}\n')
    assert [each.received_ns for each in read_recording(path)] == [2]


@given(st.binary(max_size=80))
def test_any_bytes_are_a_recording_or_refused(tmp_path_factory, said):
    """Whatever is in the file is read or refused as ValueError."""
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(said)
    with contextlib.suppress(ValueError):
        list(read_recording(path))


async def test_a_recording_is_played_whole_and_in_order(tools, record):
    """As fast as the client takes it, nothing is left out, and orders trade at the recorded price."""
    async with tools.open() as client, trio.open_nursery() as nursery:
        said = []
        async with client.socket("/stream?streams=" + "/".join(NAMES)) as ws:
            nursery.start_soon(gather, ws, said)
            player = client.sim.player(record(2000))
            await player.play()
            await tools.until(lambda: len(said) == 2000)
        assert ids(said) == list(range(2000))
        assert [each["data"] for each in said] == [message(number)[1] for number in range(2000)]
        assert (player.played, player.done.is_set()) == (2000, True)
        answer = await client.ask("POST", "/api/v3/order", **tools.order)
        assert Decimal(answer.json()["fills"][0]["price"]) == Decimal(message(1999)[1]["a"])


async def test_what_rests_is_filled_at_the_recorded_price(tools, record):
    """A limit order that the recording reaches is filled; the engine's own market is not told among it."""
    async with tools.open() as client, trio.open_nursery() as nursery:
        client.sim.quote("BTCUSDT", "5000", "5001")
        await client.ask("POST", "/api/v3/order", **(tools.limit | {"price": "4000"}), newClientOrderId="a")
        said = []
        async with client.socket("/stream?streams=" + "/".join(NAMES)) as ws:
            nursery.start_soon(gather, ws, said)
            await client.sim.player(record(6)).play()
            await tools.until(lambda: len(said) >= 6)
            client.sim.quote("BTCUSDT", "5000", "5001")
            await trio.sleep(0.01)
        assert ids(said) == list(range(6))
        order = await client.ask("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="a")
        assert order.json()["status"] == "FILLED"


async def test_it_is_played_at_its_speed(tools, record, autojump_clock):
    """At speed 2, ten messages of 10 ms each take 45 ms."""
    async with tools.open() as client:
        begun = trio.current_time()
        await client.sim.player(record(10), speed=2.0).play()
        assert trio.current_time() - begun == pytest.approx(0.045)


async def test_it_pauses_where_it_is_told_to(tools, record):
    """So many messages are played, until it may go on."""
    async with tools.open() as client:
        player = client.sim.player(record(10), pause_at=4)
        client.sim.start_playing(player)
        with trio.fail_after(5):
            await player.paused.wait()
            assert player.played == 4
            player.go_on()
            await player.done.wait()
        assert player.played == 10


async def test_times_can_be_those_of_now(tools, record):
    """Event times are replaced where there are any, and nothing else is."""
    async with tools.open(clock=lambda: 1000.0) as client, trio.open_nursery() as nursery:
        said = []
        async with client.socket("/stream?streams=" + "/".join(NAMES)) as ws:
            nursery.start_soon(gather, ws, said)
            await client.sim.player(record(3), restamps=True).play()
            await tools.until(lambda: len(said) == 3)
        assert said[0]["data"] == message(0)[1]
        assert said[2]["data"] == message(2)[1] | {"E": 1_000_000, "T": 1_000_000}


@pytest.mark.parametrize("overlap", [0, 1, 25])
async def test_a_cut_waits_for_who_takes_over(tools, record, overlap):
    """The old connection is told, both get the overlap, then it ends: together they miss nothing."""
    path = "/stream?streams=" + "/".join(NAMES)
    async with tools.open() as client, trio.open_nursery() as nursery:
        old, new = [], []
        player = client.sim.player(record(90), cuts=[Cut(at=30, overlap=overlap)])
        async with client.socket(path) as first:
            nursery.start_soon(gather, first, old)
            client.sim.start_playing(player)
            await tools.until(lambda: old and old[-1]["stream"] == "!serverShutdown")
            assert (player.played, player.done.is_set()) == (30, False)
            async with client.socket(path) as second:
                nursery.start_soon(gather, second, new)
                await tools.until(lambda: len(new) == 60)
                await tools.until(lambda: len(client.sim.connections()) == 1)
        assert ids(old) == list(range(30 + overlap))
        assert ids(new) == list(range(30, 90))
        assert player.unrelieved == 0


async def test_nobody_may_take_over(tools, record, autojump_clock):
    """A cut does not wait for ever, and counts that it waited in vain."""
    autojump_clock.autojump_threshold = 0.002
    async with tools.open() as client, trio.open_nursery() as nursery:
        old = []
        async with client.socket("/stream?streams=" + NAMES[0]) as ws:
            nursery.start_soon(gather, ws, old)
            player = client.sim.player(record(9), cuts=[Cut(at=3)])
            await player.play()
        assert (player.played, player.unrelieved) == (9, 1)


async def test_a_cut_may_come_without_a_word(tools, record):
    """As a network does it: no notice, no waiting, no Close frame."""
    async with tools.open() as client, trio.open_nursery() as nursery:
        old = []
        async with client.socket("/stream?streams=" + NAMES[0]) as ws:
            nursery.start_soon(gather, ws, old)
            cut = Cut(at=3, notice=False, waits_for_new=False, abrupt=True)
            await client.sim.player(record(9), cuts=[cut]).play()
            assert not client.sim.connections()
        assert all(each["stream"] in NAMES for each in old)


@pytest.mark.parametrize(
    ("kind", "file", "path"),
    [
        ("spot", "binance_spot_btcusdt_20240808_rawws.gz", "/stream?streams="),
        ("futures", "binance_usdm_btcusdt_20240808_rawws_first60000.gz", "/public/stream?streams="),
    ],
)
async def test_a_real_capture_is_played(tools, data_folder, kind, file, path):
    """Every bookTicker of the capture comes once, in order, over a connection that reads all the time."""
    source = data_folder / "crypto" / file
    if not source.is_file():
        pytest.skip(f"{source} is not there; set QUANTMIND_DATA to the folder of recorded data")
    wanted = [json.loads(each.payload)["u"] for each in read_recording(source) if each.kind == "bookTicker"]
    async with tools.open(kind) as client, trio.open_nursery() as nursery:
        said = []
        async with client.socket(path + NAMES[0]) as ws:
            nursery.start_soon(gather, ws, said)
            player = client.sim.player(source)
            await player.play()
            with trio.fail_after(30):
                while len(said) < len(wanted):
                    await trio.sleep(0.01)
        assert ids(said) == wanted
