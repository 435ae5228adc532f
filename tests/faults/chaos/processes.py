"""The programs of a run: the ledger broker, and what starts one gateway after the other."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import trio
from faults.chaos.broker_link import Message
from faults.chaos.kill_switch import ROOT, Target
from faults.chaos.lines import Lines

TOKEN = "a-token-for-tests-0123456789"
START_WITHIN_S = 60.0
ASK_WITHIN_S = 20.0


def free_ports(count: int, rng: random.Random) -> list[int]:
    """Ports that nobody uses, below those that systems give to outgoing connections: they stay free over a kill."""
    found: list[int] = []
    while len(found) < count:
        port = rng.randrange(20_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found


def environment() -> dict[str, str]:
    """In which the programs of this folder are found, and this project's product before any other."""
    paths = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


async def run_quantmind(*arguments: str) -> str:
    """What `quantmind` with these arguments prints, whatever its exit code."""
    command = [sys.executable, "-m", "quantmind", *arguments]
    result = await trio.run_process(command, capture_stdout=True, check=False, cwd=ROOT, env=environment())
    return result.stdout.decode()


@attrs.define(eq=False)
class Program:
    """A running program of this folder that speaks JSON lines on its standard output."""

    process: trio.Process
    _buffer: bytes = b""

    @classmethod
    async def start(cls, module: str, *arguments: str, log: Path) -> Program:
        with log.open("ab") as errors:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-m", f"faults.chaos.{module}", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,  # `-m` looks there first
                env=environment(),
            )
        return cls(process)

    async def say(self, line: str) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send_all(line.encode() + b"\n")

    async def hear(self) -> dict[str, Any] | None:
        """Its next line; None when it has ended."""
        assert self.process.stdout is not None
        with trio.fail_after(START_WITHIN_S):
            while b"\n" not in self._buffer:
                data = await self.process.stdout.receive_some()
                if not data:
                    return None
                self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        heard: dict[str, Any] = json.loads(line)
        return heard

    async def end(self) -> None:
        """Kill it, and wait for its end."""
        self.process.kill()
        await self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                await pipe.aclose()


@attrs.define(eq=False)
class Gateways:
    """Starts gateways on one state folder, one after the other; each is a process of its own."""

    program: Program
    log: Path
    pid: int = 0
    """Of the one that runs; 0: none does."""

    async def begin(self, target: Target) -> None:
        """One begins now; it may meet its target before it is ready."""
        await self.program.say(json.dumps({"begin": attrs.asdict(target)}))
        self.pid = (await self._hear("began"))["began"]

    async def ready(self) -> None:
        """Wait until it serves."""
        await self._hear("ready")

    async def write_visits(self) -> None:
        """Have it write how often each site was visited by now."""
        await self.program.say(json.dumps({"visits": True}))
        await self._hear("visits")

    async def ended(self) -> int:
        """Wait until it ends by itself; its exit code."""
        code: int = (await self._hear("ended"))["ended"]
        self.pid = 0
        return code

    async def kill(self) -> int:
        """Kill it from outside; its exit code."""
        os.kill(self.pid, signal.SIGKILL)  # as long as nobody has waited for it, the id is no other's
        return await self.ended()

    async def _hear(self, name: str) -> dict[str, Any]:
        while True:
            heard = await self.program.hear()
            assert heard is not None, self.tail()
            if name in heard:
                return heard
            assert "ended" not in heard, f"it ended with {heard}:\n{self.tail()}"

    def tail(self) -> str:
        """The end of their log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])


@contextlib.asynccontextmanager
async def open_gateways(folder: Path, config: Path, broker_port: int) -> AsyncIterator[Gateways]:
    """What starts gateways, for the length of the block; the last one ends with it."""
    log = folder / "gateway.log"
    program = await Program.start(
        "gateway",
        *("--config", str(config), "--broker-port", str(broker_port)),
        *("--folder", str(folder), "--token", TOKEN),
        log=log,
    )
    gateways = Gateways(program, log)
    try:
        assert await program.hear() == {"loaded": True}, gateways.tail()
        yield gateways
    finally:
        with trio.CancelScope(shield=True), trio.move_on_after(10):
            await program.end()


@attrs.define(eq=False)
class BrokerControl:
    """A connection to the ledger broker that sets what goes wrong there. One question at a time."""

    lines: Lines
    _asked: int = 0

    async def ask(self, op: str, **fields: Any) -> Message:
        self._asked += 1
        await self.lines.send({"op": op, "id": self._asked, **fields})
        with trio.fail_after(ASK_WITHIN_S):
            while (batch := await self.lines.receive()) is not None:
                for message in batch:
                    if message.get("id") == self._asked:
                        return message
        raise AssertionError("the ledger broker has gone")


@contextlib.asynccontextmanager
async def open_broker(folder: Path, seed: int) -> AsyncIterator[tuple[int, BrokerControl]]:
    """A ledger broker for the length of the block: its port, and who controls it."""
    program = await Program.start(
        "ledger_broker", "--ledger", str(folder / "ledger.jsonl"), "--seed", str(seed), log=folder / "broker.log"
    )
    try:
        heard = await program.hear()
        assert heard is not None, (folder / "broker.log").read_text(encoding="utf-8")
        async with await trio.open_tcp_stream("127.0.0.1", heard["port"]) as stream:
            yield heard["port"], BrokerControl(Lines(stream))
    finally:
        with trio.CancelScope(shield=True), trio.move_on_after(10):
            await program.end()
