"""Where a worker runs: a process of its own, started, ended and started again by whoever speaks to it."""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import attrs
import trio

from quantmind.adapters.mt5.line import Peer
from quantmind.errors import BrokerUnavailable
from quantmind.net.zmq import DealerSocket, ZmqContext
from quantmind.wire import bridge

logger: Final = logging.getLogger("quantmind.mt5")

START_S: Final = 20.0
"""A worker that does not say within this where it listens has failed."""
END_S: Final = 2.0
"""How long a worker that was told to end, or was killed, is waited for."""
MOST_OF_A_LINE: Final = 4096
HIGH_WATER: Final = 256
"""Requests that wait to be sent: two lanes of orders, a poll, a sample and what was given up."""


class Place(Protocol):
    """Where a worker is to be found."""

    @property
    def token(self) -> str:
        """What lets one in."""
        ...

    @property
    def proof(self) -> str:
        """What everything that it says has in it; empty: nothing."""
        ...

    def open(self, context: ZmqContext) -> Peer:
        """A way to it. It may still be under way: what is sent meanwhile does not go out."""
        ...


@attrs.frozen
class Listening:
    """A worker that listens."""

    host: str
    port: int
    token: str = attrs.field(repr=False)
    proof: str = attrs.field(default="", init=False)

    def open(self, context: ZmqContext) -> Peer:
        """A connection, made in the background, and again whenever it is lost."""
        return DealerSocket.connect(
            context,
            self.host,
            self.port,
            max_message_bytes=bridge.MAX_REPLY_BYTES,
            high_water=HIGH_WATER,
            only_connected=True,
        )


class Host(Protocol):
    """Who runs a worker."""

    @property
    def alive(self) -> bool:
        """Whether there is one that has not ended."""
        ...

    async def start(self) -> Place:
        """Start one, or say where the one that runs listens. Raises BrokerUnavailable."""
        ...

    async def kill(self) -> None:
        """End it at once, whatever it is doing. Safe to repeat."""
        ...

    async def aclose(self) -> None:
        """Let it end in order; at once if it does not. Safe to repeat."""
        ...


@attrs.frozen(eq=False)
class Elsewhere:
    """A worker that somebody else runs: it can be reached, and not be ended."""

    place: Place

    @property
    def alive(self) -> bool:
        """True: nobody here can know better."""
        return True

    async def start(self) -> Place:
        """Where it listens."""
        await trio.lowlevel.checkpoint()
        return self.place

    async def kill(self) -> None:
        """Nothing: whoever runs it may."""
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Nothing."""
        await trio.lowlevel.checkpoint()


@attrs.define(eq=False)
class WorkerProcess:
    """A worker as a child process. It ends by itself when this process does: its standard input is closed then.

    Settings, the credential among them, go in by its standard input, where no other user can read them, and it says
    on its standard output where it listens. What it logs goes to the gateway's own standard error.

    Args:
        name: the broker's, for the log.
        settings: what the worker is to know.
    """

    name: str
    settings: Mapping[str, Any] = attrs.field(repr=False)
    command: Sequence[str] = (sys.executable, "-m", "quantmind.adapters.mt5.worker")
    starts: int = attrs.field(default=0, init=False)
    _process: trio.Process | None = attrs.field(default=None, init=False)
    _place: Listening | None = attrs.field(default=None, init=False)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None and self._place is not None

    @property
    def pid(self) -> int | None:
        """Its process id, while there is one."""
        return None if self._process is None else self._process.pid

    async def start(self) -> Place:
        """Start the process, or say where the one that runs listens.

        Cancelled, or with an error, it leaves none that runs.

        Raises:
            BrokerUnavailable: it can't be started, or did not come up.
        """
        if self.alive and self._place is not None:
            await trio.lowlevel.checkpoint()
            return self._place
        await self.kill()
        token = secrets.token_urlsafe(32)
        self.starts += 1
        try:
            self._process = await trio.lowlevel.open_process(
                list(self.command), stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        except OSError as exc:
            raise BrokerUnavailable(f"the worker of {self.name} can't be started: {exc}") from exc
        try:
            with trio.fail_after(START_S):
                port = await self._introduce(self._process, token)
        except trio.TooSlowError:
            await self.kill()
            raise BrokerUnavailable(f"the worker of {self.name} did not come up within {START_S:g} s") from None
        except BaseException:
            await self.kill()
            raise
        self._place = Listening("127.0.0.1", port, token)
        logger.info("start.worker broker=%s pid=%d port=%d starts=%d", self.name, self._process.pid, port, self.starts)
        return self._place

    async def kill(self) -> None:
        """End it at once, whatever it is doing. Safe to repeat."""
        process, self._process, self._place = self._process, None, None
        if process is None:
            await trio.lowlevel.checkpoint()
            return
        if process.poll() is None:
            process.kill()
            logger.warning("kill.worker broker=%s pid=%d", self.name, process.pid)
        await self._let_go(process)

    async def aclose(self) -> None:
        """Let it end in order; at once if it does not. Safe to repeat."""
        process, self._process, self._place = self._process, None, None
        if process is None:
            await trio.lowlevel.checkpoint()
            return
        try:
            if process.stdin is not None:
                await process.stdin.aclose()
            with trio.move_on_after(END_S):
                await process.wait()
        finally:
            if process.poll() is None:
                process.kill()
            await self._let_go(process)

    async def _introduce(self, process: trio.Process, token: str) -> int:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(trio.BrokenResourceError):  # it ended already, and may have said why
            await process.stdin.send_all(json.dumps({**self.settings, "token": token}).encode() + b"\n")
        line = b""
        while not line.endswith(b"\n") and len(line) <= MOST_OF_A_LINE:
            part = await process.stdout.receive_some(MOST_OF_A_LINE)
            if not part:
                break
            line += part
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            said = {}
        port, why = said.get("port"), said.get("error")
        if isinstance(port, int) and 0 < port < 65536:
            return port
        raise BrokerUnavailable(
            f"the worker of {self.name} did not come up: {str(why)[:300] if why else 'it ended; its log says why'}"
        )

    # Its end is waited for, so that no dead process is left in the system's table; a shielded wait has an end.
    async def _let_go(self, process: trio.Process) -> None:
        with trio.CancelScope(shield=True), trio.move_on_after(END_S):
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(trio.BrokenResourceError):
                        await pipe.aclose()
            await process.wait()
