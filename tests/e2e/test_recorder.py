"""The recorder from outside: what a gateway sends is in the file, and the file replays as it was."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gateway_process import running, write_config

from quantmind.adapters.mock import build
from quantmind.config.brokers import MockBrokerConfig, ReplayFeed, SymbolOverrides
from quantmind.domain.quotes import Quote

POSIX_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals for another process")


def generated_days(folder: Path, ticks: int) -> list[Path]:
    """A LEAN file each of EURUSD and NZDUSD on the same day, with repeats, equal times and bursts."""
    paths = []
    for symbol, start in (("eurusd", 109_500), ("nzdusd", 62_500)):
        rng = random.Random(symbol)
        path = folder / f"20240102_{symbol}_tick_quote.csv"
        at, bid = 9_000_000, start
        lines = []
        for _ in range(ticks):
            at += rng.choice((0, 1, 40, 250, 900, 2500))
            bid += rng.choice((-3, -1, 0, 0, 1, 3))
            lines.append(f"{at},{bid / 100_000:.5f},{(bid + rng.choice((8, 11))) / 100_000:.5f}\n")
        path.write_text("".join(lines), encoding="ascii", newline="\n")
        paths.append(path)
    return paths


def replay_config(folder: Path, paths: list[Path], speed: float, symbols: tuple[str, ...]) -> Path:
    """A gateway that replays files once somebody listens."""
    folder.mkdir(exist_ok=True)
    feed = {"type": "replay", "path": str(paths[0]), "speed": speed, "start": "first_subscriber"}
    feed["more_paths"] = [str(path) for path in paths[1:]]
    brokers = {"demo": {"type": "mt5_mock", "symbols": {symbol: {} for symbol in symbols}, "feed": feed}}
    return write_config(folder, brokers, poll_interval_ms=10)


async def replayed(paths: list[Path], symbols: tuple[str, ...], *, all_of_them: bool = False) -> list[Quote]:
    """Ticks of a replay as a client sees them, which is those whose prices are not the ones before; or all."""
    feed = ReplayFeed(path=paths[0], more_paths=tuple(paths[1:]), speed=0)
    config = MockBrokerConfig(name="demo", symbols={symbol: SymbolOverrides() for symbol in symbols}, feed=feed)
    broker = build(config)
    await broker.connect()
    out: list[Quote] = []
    last: dict[str, Quote] = {}
    while not broker.paced:
        for quote in (await broker.poll()).quotes:
            before = last.get(quote.symbol)
            if all_of_them or before is None or not quote.same_prices(before):
                out.append(quote)
            last[quote.symbol] = quote
    await broker.aclose()
    return out


@contextlib.contextmanager
def recorder(url: str, path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A recorder in a process of its own; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "quantmind", "ticks", *arguments, "--url", url, "--record", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def refused(path: Path, *symbols: str) -> tuple[int, str]:
    """Exit code and error text of a recorder that has no gateway."""
    with recorder("ws://127.0.0.1:9/", path, *symbols) as process:
        _, err = process.communicate(timeout=60)
    return process.returncode, err


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str], within_s: float = 120) -> None:
    """Look again and again."""
    end = time.monotonic() + within_s
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def tick_lines(path: Path) -> list[str]:
    """The whole lines of a recording that are ticks."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [line for line in data.decode().split("\n")[:-1] if not line.startswith("#")]


def record_all(config: Path, path: Path, count: int, symbols: tuple[str, ...]) -> None:
    """Run a gateway and record its replay to the last tick."""
    with (
        running(config) as gateway,
        recorder(gateway.addresses["websocket"], path, *symbols, "--count", str(count)) as process,
    ):
        out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert out == ""
    assert f"{count} ticks written to {path}, 0 gaps" in err


async def test_two_symbols_are_recorded_and_replay_as_they_were(tmp_path: Path) -> None:
    """Order, times, prices of both symbols: over WebSocket into a file, and out of it over WebSocket again."""
    paths, symbols = generated_days(tmp_path, 2000), ("EURUSD", "NZDUSD")
    expected = await replayed(paths, symbols)
    first, second = tmp_path / "first.ticks", tmp_path / "second.ticks.gz"
    record_all(replay_config(tmp_path / "one", paths, 500, symbols), first, len(expected), symbols)
    assert await replayed([first], symbols, all_of_them=True) == expected
    record_all(replay_config(tmp_path / "two", [first], 500, symbols), second, len(expected), symbols)
    assert tick_lines(second) == tick_lines(first)
    assert await replayed([second], symbols, all_of_them=True) == expected


def less_gaps(expected: list[Quote], path: Path) -> list[Quote]:
    """What must be in a recording of a feed, by the gaps that it tells of."""
    gaps = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#gap")]
    missing: set[int] = set()
    for gap in gaps:
        said = dict(word.split("=") for word in gap.split()[1:])
        missing.update(range(int(said["from_seq"]), int(said["to_seq"]) + 1))
    return [quote for seq, quote in enumerate(expected, 1) if seq not in missing]


@POSIX_ONLY
@pytest.mark.long
async def test_the_ecb_day_is_recorded_but_for_what_it_says_is_missing(data_folder: Path, tmp_path: Path) -> None:
    """Real ticks of 8 May 2014, so fast that a busy machine misses some: each one is there, or in a gap."""
    paths, symbols = [data_folder / "fx" / "eurusd_oanda_20140508_ticks_lean.zip"], ("EURUSD",)
    expected = await replayed(paths, symbols)
    path = tmp_path / "day.ticks"
    with (
        running(replay_config(tmp_path / "one", paths, 2000, symbols)) as gateway,
        recorder(gateway.addresses["websocket"], path, *symbols) as process,
    ):
        last = f"\n{expected[-1].time_msc},".encode()
        wait_for(lambda: path.exists() and last in path.read_bytes()[-400:], process, within_s=400)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    seen = await replayed([path], symbols, all_of_them=True)
    assert len(seen) > len(expected) // 2
    assert seen == less_gaps(expected, path)


def walk_config(folder: Path) -> Path:
    """Made-up prices without end."""
    feed = {"type": "random_walk", "seed": 1, "ticks_per_s": 200}
    brokers = {"demo": {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": feed}}
    return write_config(folder, brokers, poll_interval_ms=10)


@POSIX_ONLY
@pytest.mark.parametrize("name", ["day.ticks", "day.ticks.gz"])
async def test_ctrl_c_leaves_a_good_file_and_the_next_run_goes_on_with_it(tmp_path: Path, name: str) -> None:
    """Two runs into one file: each has its beginning and its end, and every tick replays."""
    path = tmp_path / name
    with running(walk_config(tmp_path)) as gateway:
        for _ in range(2):
            before = path.stat().st_size if path.exists() else 0
            with recorder(gateway.addresses["websocket"], path, "EURUSD") as process:
                wait_for(lambda before=before: path.exists() and path.stat().st_size > before + 2000, process)
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
            assert "ticks written to" in err
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    lines = data.decode().splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("#quantmind", "#begin", "#end"))] == [
        "#quantmind-ticks",
        "#begin",
        "#end",
        "#begin",
        "#end",
    ]
    # The first tick of the second run may have the prices of the last one of the first.
    assert len(await replayed([path], ("EURUSD",), all_of_them=True)) == len(tick_lines(path)) > 50


@pytest.mark.parametrize("name", ["day.ticks", "day.ticks.gz"])
async def test_a_killed_recorder_leaves_what_it_had_written(tmp_path: Path, name: str) -> None:
    """All but the last second, and replay takes the torn end."""
    path = tmp_path / name
    with (
        running(walk_config(tmp_path)) as gateway,
        recorder(gateway.addresses["websocket"], path, "EURUSD") as process,
    ):
        wait_for(lambda: path.exists() and path.stat().st_size > 4000, process)
        process.kill()
        process.communicate(timeout=60)
    assert len(await replayed([path], ("EURUSD",))) > 50


@POSIX_ONLY
def test_a_gateway_that_restarts_is_an_outage_and_no_end(tmp_path: Path) -> None:
    """The file says so where the ticks are missing."""
    path = tmp_path / "day.ticks"
    config = walk_config(tmp_path)
    with running(config) as gateway:
        text = json.loads(config.read_text(encoding="utf-8"))
        text["gateway"]["websocket"]["port"] = gateway.port("websocket")
        with recorder(gateway.addresses["websocket"], path, "EURUSD") as process:
            wait_for(lambda: path.exists() and path.stat().st_size > 2000, process)
            assert gateway.stop() == 0
            config.write_text(json.dumps(text), encoding="utf-8")
            wait_for(lambda: b"#down" in path.read_bytes(), process)
            with running(config):
                wait_for(lambda: b"#up" in path.read_bytes(), process)
                seen = path.stat().st_size
                wait_for(lambda: path.stat().st_size > seen + 2000, process)
                process.send_signal(signal.SIGTERM)
                _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "1 gap\n" in err
    lines = path.read_text(encoding="utf-8").splitlines()
    kinds = [line.split()[0] for line in lines if line.startswith(("#down", "#gap", "#up"))]
    assert kinds == ["#down", "#gap", "#up"]
    assert "cause=new_epoch" in next(line for line in lines if line.startswith("#gap"))


def test_it_appends_to_nothing_else(tmp_path: Path) -> None:
    """A file of another kind stays as it is, and the exit code is that of wrong usage."""
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n", encoding="utf-8")
    code, err = refused(path, "EURUSD")
    assert code == 2
    assert "notes.txt exists and is not a recording" in err
    assert path.read_text(encoding="utf-8") == "my notes\n"


def test_without_a_gateway_it_says_so(tmp_path: Path) -> None:
    """One clear line and 69, as without --record."""
    code, err = refused(tmp_path / "day.ticks", "EURUSD")
    assert code == 69
    assert "no gateway answers at ws://127.0.0.1:9/" in err


def test_one_symbol_of_two_brokers_is_refused(tmp_path: Path) -> None:
    """A line names its symbol only."""
    path = tmp_path / "day.ticks"
    code, err = refused(path, "EURUSD@a", "EURUSD@b")
    assert code == 2
    assert "EURUSD@a and EURUSD@b are one symbol" in err
    assert not path.exists()


def check(config: Path) -> subprocess.CompletedProcess[str]:
    """`quantmind check`, as a person types it."""
    command = [sys.executable, "-m", "quantmind", "check", "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_check_tells_what_each_recording_is(tmp_path: Path) -> None:
    """Format, symbol and first time of each file; what can't be replayed is a fault with file and line."""
    paths = generated_days(tmp_path, 20)
    done = check(replay_config(tmp_path / "sound", paths, 1, ("EURUSD", "NZDUSD")))
    assert done.returncode == 0, done.stderr
    for path, symbol in zip(paths, ("EURUSD", "NZDUSD"), strict=True):
        assert f"    replays {path}: format lean, {symbol}, from 2024-01-02T02:3" in done.stdout
    with paths[1].open("a", encoding="ascii") as file:
        file.write("hello\n")
    paths[0].write_text("2024.01.02,00:00,1.1,1.2,1.0,1.1,7\n", encoding="ascii")
    done = check(replay_config(tmp_path / "spoilt", paths, 1, ("EURUSD", "NZDUSD")))
    assert done.returncode == 2
    assert f"brokers.demo.feed: {paths[0]}: it holds bars" in done.stderr
    assert f"brokers.demo.feed: {paths[1]}, line 21: 1 fields" in done.stderr
