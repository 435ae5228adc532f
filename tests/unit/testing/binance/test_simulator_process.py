"""The simulator as a thread, as a program, and its random walk."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import httpx
import pytest
import trio

from quantmind.net.errors import AddressTaken
from quantmind.testing.binance.__main__ import main
from quantmind.testing.binance.in_thread import start_simulator_thread
from quantmind.testing.binance.spot_engine import SpotEngine


def test_a_simulator_runs_in_a_thread():
    """Any thread can let it do something, and gets what that returns or raises; the end of the block ends it."""
    with start_simulator_thread("spot", connects_5m=7) as sim:
        sim.do(lambda it: it.quote("BTCUSDT", "1000", "1001"))
        said = httpx.get(f"{sim.url}/api/v3/ticker/bookTicker?symbol=BTCUSDT").json()
        assert float(said["askPrice"]) == 1001
        assert sim.do(lambda it: it.settings.connects_5m) == 7
        with pytest.raises(ValueError):
            sim.do(lambda it: it.quote("BTCUSDT", "1001", "1000"))
        sim.do(lambda it: setattr(it.faults, "cut", True))
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{sim.url}/api/v3/ping")
    with pytest.raises(trio.RunFinishedError):
        sim.do(lambda it: None)


def test_what_it_cannot_begin_is_raised():
    """A port that is taken is told to who starts it."""
    with start_simulator_thread() as sim:
        port = sim.do(lambda it: it.port.address.port)
        with pytest.raises(AddressTaken), start_simulator_thread(port=port):
            pass


async def test_prices_walk(tools):
    """The same seed makes the same prices, on the grid of each symbol, one tick wide."""

    async def walked(seed):
        said = []
        async with tools.open() as client:
            client.sim.engine.on_market = said.append
            client.sim.start_walk(seed=seed, every_s=0.001)
            await tools.until(lambda: len(said) > 40)
        return [{key: each["data"][key] for key in "ba"} for each in said if each["kind"] == "bookTicker"][:20]

    first = await walked(1)
    assert first == await walked(1)
    assert first != await walked(2)
    assert all(float(each["a"]) - float(each["b"]) == pytest.approx(0.01) for each in first)


def test_a_walk_stays_above_nothing():
    """However low it begins, a price stays a price."""
    import random
    from decimal import Decimal

    from quantmind.testing.binance.price_walk import step

    engine = SpotEngine()
    prices = dict.fromkeys(engine.symbols, Decimal("0.02"))
    for _ in range(200):
        step(engine, prices, random.Random(1))
        assert all(price > 0 for price in prices.values())


def test_the_program_tells_where_it_is():
    """Its first line is JSON with the URL and the key, and prices move."""
    command = [sys.executable, "-m", "quantmind.testing.binance", "--kind", "spot", "--port", "0", "--walk"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = json.loads(process.stdout.readline())
            assert (said["kind"], said["api_key"]) == ("spot", "simulator-key")
            book = httpx.get(f"{said['url']}/api/v3/ticker/bookTicker").json()
            assert {each["symbol"] for each in book} == {"BTCUSDT", "ETHUSDT"}
        finally:
            # Ctrl-C; a process of Windows can't be told so from outside.
            process.terminate() if sys.platform == "win32" else process.send_signal(signal.SIGINT)
    assert process.returncode == 0 or sys.platform == "win32"


def test_the_program_says_what_it_cannot_do(capsys, tmp_path):
    """A capture that is not there, or a port that is taken, is told in a line."""
    missing = tmp_path / "missing.gz"
    assert main(["--record", str(missing)]) == 1
    assert str(missing) in capsys.readouterr().err
    with start_simulator_thread() as sim:
        port = sim.do(lambda it: it.port.address.port)
        assert main(["--port", str(port)]) == 1
    assert "taken" in capsys.readouterr().err


def test_the_program_knows_its_words(capsys):
    """An option that is not there is told with the usage."""
    with pytest.raises(SystemExit):
        main(["--walk", "--record", "x"])
    assert "not allowed with" in capsys.readouterr().err
