"""A simulator in a thread, for tests and tools whose gateway is a process, or that do not run on Trio."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Final, TypeVar

import attrs
import trio

from quantmind.testing.binance.settings import Kind
from quantmind.testing.binance.simulator import BinanceSimulator, open_simulator

READY_WITHIN_S: Final = 10.0
ENDS_WITHIN_S: Final = 10.0

T = TypeVar("T")


@attrs.frozen(eq=False)
class SimulatorThread:
    """A simulator that runs in a thread of its own; made by `start_simulator_thread`."""

    url: str
    _sim: BinanceSimulator
    _token: trio.lowlevel.TrioToken

    def do(self, act: Callable[[BinanceSimulator], T]) -> T:
        """Let the simulator's thread call `act`, and return what it returns. Callable from any thread; it blocks.

        Raises:
            trio.RunFinishedError: the simulator has ended.
            Exception: what `act` raises.
        """
        told: Future[T] = Future()

        def call() -> None:
            try:
                told.set_result(act(self._sim))
            except Exception as error:  # noqa: BLE001 - it is raised again where it was asked for
                told.set_exception(error)

        self._token.run_sync_soon(call)
        return told.result(ENDS_WITHIN_S)


@contextlib.contextmanager
def start_simulator_thread(kind: Kind = "spot", **arguments: Any) -> Iterator[SimulatorThread]:
    """Run a simulator in a thread while the block runs; the arguments are those of `open_simulator`.

    Raises:
        AddressTaken, NetError, TypeError: it can't begin.
    """
    ready: Future[tuple[SimulatorThread, Callable[[], None]]] = Future()

    async def serve() -> None:
        async with open_simulator(kind, **arguments) as sim:
            over, token = trio.Event(), trio.lowlevel.current_trio_token()
            ready.set_result((SimulatorThread(sim.url, sim, token), lambda: token.run_sync_soon(over.set)))
            await over.wait()

    def run() -> None:
        try:
            trio.run(serve)
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=run, name=f"binance-{kind}", daemon=True)
    thread.start()
    running, end = ready.result(READY_WITHIN_S)
    try:
        yield running
    finally:
        with contextlib.suppress(trio.RunFinishedError):
            end()
        thread.join(ENDS_WITHIN_S)
