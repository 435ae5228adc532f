"""How a gateway process is, seen from outside: its actors, its clients, its log, its memory and descriptors."""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import trio
from gateway_process import TOKEN, GatewayProcess

from quantmind.client.rest import Refused, RestClient

HAS_PROC = Path("/proc/self/status").exists() and Path("/proc/self/fd").exists()
NO_PROC = "memory and descriptors of another process are read from /proc, which is not here"

PRICED_WITHIN_S = 60.0


@attrs.frozen
class Footprint:
    """What a gateway takes at one moment. Memory and descriptors are None where there is no /proc."""

    actors: int
    clients: int
    memory_kb: int | None
    descriptors: int | None


class Gone(Exception):
    """The gateway's process is not there."""


@contextlib.contextmanager
def asking(gateway: GatewayProcess) -> Iterator[RestClient]:
    """A REST client of its own connection, so that asking leaves the gateway's descriptors as they are."""
    with RestClient(gateway.addresses["rest"], TOKEN) as rest:
        yield rest


async def ask(rest: RestClient, path: str, **query: str | int | None) -> Any:
    """GET in a thread; the answer must be a good one."""

    def get() -> Any:
        return rest.get(path, **query)

    return await trio.to_thread.run_sync(get)


async def newest_tick(rest: RestClient, symbol: str) -> Any:
    """GET /ticks/{symbol}. A gateway that stood still for seconds says that the price is old: then once more."""
    with trio.fail_after(PRICED_WITHIN_S):
        while True:
            try:
                return await ask(rest, f"/ticks/{symbol}")
            except Refused as refused:
                if refused.code != "no_tick":
                    raise
            await trio.sleep(0.05)


async def items(rest: RestClient, path: str, **query: str | int | None) -> list[dict[str, Any]]:
    """All items of a list, in a thread."""

    def get() -> list[dict[str, Any]]:
        return list(rest.items(path, **query))

    return await trio.to_thread.run_sync(get)


def nodes_of(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """Every node of what /actors says, parents first."""
    return [tree, *(node for child in tree["children"] for node in nodes_of(child))]


async def footprint(gateway: GatewayProcess, rest: RestClient) -> Footprint:
    """What it takes now."""
    status = await ask(rest, "/status")
    memory_kb, descriptors = process_of(gateway.process.pid)
    return Footprint(status["actors"]["total"], status["websocket"]["clients"], memory_kb, descriptors)


def process_of(pid: int) -> tuple[int | None, int | None]:
    """Resident memory in kB and the number of descriptors of a process."""
    if not HAS_PROC:
        return None, None
    folder = Path("/proc") / str(pid)
    lines = (folder / "status").read_text(encoding="ascii", errors="replace").splitlines()
    found = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    if not found:
        raise Gone(f"process {pid} has ended")
    return int(found[0]), sum(1 for _ in (folder / "fd").iterdir())


def serious(log: Sequence[str]) -> list[str]:
    """Lines of a JSON log that tell of an error, or that are no line of the log: a traceback, a warning of Python."""
    found = []
    for line in log:
        try:
            level = json.loads(line)["level"]
        except (ValueError, KeyError, TypeError):
            level = "error"
        if level in ("error", "critical"):
            found.append(line)
    return found


async def wait_until(holds: Callable[[], bool], within_s: float, told: Callable[[], object]) -> None:
    """Wait until something holds, looking now and then; else fail with what `told` says."""
    with trio.move_on_after(within_s):
        while not holds():
            await trio.sleep(0.02)
        return
    raise AssertionError(f"not within {within_s:g} s: {told()}")


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and maximum."""
    ordered = sorted(values)
    return {
        "median": statistics.median(ordered),
        "p99": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)],
        "max": ordered[-1],
    }
