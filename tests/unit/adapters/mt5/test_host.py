"""The worker as a process: it comes up or says why not, ends when it is told to, and never outlives its gateway."""

from __future__ import annotations

import sys
import textwrap
import time
from typing import Any

import pytest
import trio

from quantmind.adapters.mt5 import host
from quantmind.adapters.mt5.host import WorkerProcess
from quantmind.errors import BrokerUnavailable

READS = """
import json, sys
settings = json.loads(sys.stdin.readline())
assert len(settings["token"]) > 30 and settings["module"] == "some"
print(json.dumps({"port": 5}), flush=True)
"""
WAITS_FOR_THE_END = READS + "sys.stdin.read()\n"
HANGS = (
    READS + "import ctypes, os\nctypes.PyDLL(None).sleep(60) if os.name == 'posix' else __import__('time').sleep(60)\n"
)


def worker(code: str, **settings: Any) -> WorkerProcess:
    return WorkerProcess("demo", {"module": "some", **settings}, [sys.executable, "-c", textwrap.dedent(code)])


def process_of(one: WorkerProcess) -> trio.Process:
    assert one._process is not None
    return one._process


async def test_it_says_where_it_listens() -> None:
    """Once; and the same again while it runs, with a credential of its own each time it is started."""
    one = worker(WAITS_FOR_THE_END)
    place = await one.start()
    assert (place.host, place.port, one.alive, one.starts) == ("127.0.0.1", 5, True, 1)
    assert await one.start() == place
    assert one.starts == 1
    assert place.token not in repr(place) + repr(one)
    await one.aclose()
    assert not one.alive
    again = await one.start()
    assert again.token != place.token
    await one.aclose()
    await one.aclose()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise SystemExit(3)", "it ended"),
        ('print(\'{"error": "no terminal there"}\', flush=True)', "no terminal there"),
        ("print('hello', flush=True); input()", "it ended"),
        ("print('{\"port\": 70000}', flush=True)", "it ended"),
        ('print("[1]", flush=True)', "it ended"),
        ("print('x' * 10000, flush=True)", "it ended"),
    ],
)
async def test_one_that_does_not_come_up_says_why(code: str, says: str) -> None:
    """And nothing of it is left."""
    one = worker(code)
    with pytest.raises(BrokerUnavailable, match=says):
        await one.start()
    assert not one.alive
    assert one.pid is None


async def test_one_that_says_nothing_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended."""
    monkeypatch.setattr(host, "START_S", 0.3)
    one = worker("import time; time.sleep(60)")
    with pytest.raises(BrokerUnavailable, match=r"within 0\.3 s"):
        await one.start()
    assert one.pid is None


async def test_a_program_that_is_not_there() -> None:
    """The error names the broker."""
    one = WorkerProcess("demo", {}, ["/no/such/program"])
    with pytest.raises(BrokerUnavailable, match="demo"):
        await one.start()


async def test_a_kill_ends_it_whatever_it_does() -> None:
    """Also while it lets no thread of its own run."""
    one = worker(HANGS)
    await one.start()
    process = process_of(one)
    began = time.perf_counter()
    await one.kill()
    await one.kill()
    assert time.perf_counter() - began < 2
    assert process.returncode is not None, "nobody waited for it"


async def test_one_that_does_not_listen_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing waits for it a little, and not for ever."""
    monkeypatch.setattr(host, "END_S", 0.2)
    one = worker(HANGS)
    await one.start()
    process = process_of(one)
    began = time.perf_counter()
    await one.aclose()
    assert time.perf_counter() - began < 2
    assert process.returncode is not None, "nobody waited for it"


async def test_a_dead_one_is_seen() -> None:
    """And replaced."""
    one = worker(WAITS_FOR_THE_END)
    await one.start()
    process_of(one).kill()
    with trio.fail_after(5):
        while one.alive:
            await trio.sleep(0.01)
    await one.start()
    assert (one.alive, one.starts) == (True, 2)
    await one.aclose()


async def test_a_start_that_was_given_up_leaves_none() -> None:
    """Wherever it was cancelled."""
    one = worker("import time; time.sleep(60)")
    with trio.move_on_after(0.3):
        await one.start()
    assert one.pid is None
