"""The bridge EA as a subject: the adapter, a gateway's port, and the shipped MQL5 program in a made-up terminal.

The program is compiled by the host of tests/mql5 and runs in a process of its own, by the subject's clocks. The gateway
may die and come back; the EA and its account stay.
"""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio
from conformance.mock_subject import START, STARTS, SYMBOLS
from conformance.mt5_subject import (
    ABSENT_AFTER_S,
    ALWAYS,
    OF_THE_MODE,
    OFFER_EVERY_S,
    TOKEN,
    GatewayPort,
    last_tag,
    tells_outcome,
)
from conformance.subject import Executed, Kind, Loss
from mql5.build import build, require_gpp
from mql5.program import Program

from quantmind.adapters.mt5.broker import BridgedBroker
from quantmind.config.brokers import MockBrokerConfig
from quantmind.config.hours import SwapConfig
from quantmind.testing.terminal import FakeTerminal

BRIDGE = Path(__file__).resolve().parents[2] / "mql5" / "Experts" / "QuantMind" / "QuantMindBridge.mq5"
SETTLES_S = 2.5
"""So long after its terminal came back the EA does not believe what it shows."""
NOTICES_S = 0.1


@attrs.define(eq=False)
class EaSubject:
    """A made-up terminal with the bridge EA on a chart. Its ground truth is the terminal's own."""

    folder: Path
    margin_mode: str
    nursery: trio.Nursery
    starts: Mapping[str, Decimal] = attrs.field(factory=lambda: dict(STARTS), init=False)
    adapter: BridgedBroker = attrs.field(init=False)
    terminal: FakeTerminal = attrs.field(init=False)
    ea: Program = attrs.field(init=False)
    _port: GatewayPort = attrs.field(init=False)
    _began: float = attrs.field(factory=time.monotonic, init=False)
    _passed: float = attrs.field(default=0.0, init=False)
    _wall_back: float = attrs.field(default=0.0, init=False)
    _held: bool = attrs.field(default=False, init=False)
    _past: list[BridgedBroker] = attrs.field(factory=list, init=False)
    _tags: list[str] = attrs.field(factory=list, init=False)

    async def begin(self, program: Path) -> None:
        """Open the market, the gateway's port and the EA's chart, and let the EA believe its account."""
        config = MockBrokerConfig(
            name="paper",
            margin_mode=self.margin_mode,
            symbols=SYMBOLS,
            commission_per_lot=Decimal("3.50"),
            swap=SwapConfig(),
        )
        self.terminal = FakeTerminal(config, clock=self._server_time)
        self.terminal._done = Noting(self.folder, self._tags)
        self.terminal.serve(self.folder)
        self._port = self._open_port(0)
        self._set_clock()
        self.ea = Program(
            program,
            inputs={
                "InpPort": self._port.number,
                "InpToken": TOKEN,
                "InpBroker": "paper",
                "InpSettleSeconds": ABSENT_AFTER_S,
                "InpOfferMs": int(OFFER_EVERY_S * 1000),
                "InpGuard": False,
            },
            folder=self.folder,
            environment={
                "MQL_TERMINAL": str(self.folder / "terminal64.fake"),
                "MQL_CLOCK_FILE": str(self._clock_file),
            },
        )
        self.ea.__enter__()
        self._begin()
        with trio.fail_after(20):
            while not self._port.berth.alive:
                await trio.sleep(0.005)
        await self.pass_time(SETTLES_S)

    @property
    def broker(self) -> BridgedBroker:
        return self.adapter

    def monotonic(self) -> float:
        return 1000.0 + self._passed + time.monotonic() - self._began

    def wall(self) -> float:
        return self._server_time() - self._wall_back

    async def move(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        self.terminal.tick(symbol, float(bid), float(ask))

    async def pass_time(self, seconds: float) -> None:
        self._passed += seconds
        self._set_clock()
        self.terminal.pass_time()

    async def set_wall_back(self, seconds: float) -> None:
        self._wall_back += seconds
        self._set_clock()

    async def cut(self) -> None:
        self.terminal.faults.disconnected = True

    async def mend(self) -> None:
        self.terminal.faults.disconnected = False
        await trio.sleep(NOTICES_S)
        await self.pass_time(SETTLES_S)

    async def lose(self, what: Loss | None) -> None:
        self.terminal.faults.answer_lost = what is Loss.ANSWER
        self.terminal.faults.request_lost = what is Loss.REQUEST

    async def hold_answers(self, held: bool) -> None:
        self._held = held

    async def blind(self, is_blind: bool) -> None:
        raise NotImplementedError

    async def withhold(self, withheld: bool) -> None:
        self.terminal.faults.no_data = withheld

    async def restart(self) -> None:
        """Adapter and gateway are gone in the middle of whatever they did; EA, terminal and account are not."""
        self._past.append(self.adapter)
        self._port.close()
        self._port = self._open_port(self._port.number)
        self._begin()

    async def executed(self) -> Sequence[Executed]:
        await self._port.quiet()
        done = self.terminal.executed()
        return [Executed(tag, each.ticket, each.volume, each.waits) for tag, each in zip(self._tags, done, strict=True)]

    async def end(self) -> None:
        """Let everything go."""
        for adapter in (*self._past, self.adapter):
            await adapter.aclose()
        self._port.close()
        await trio.to_thread.run_sync(self.ea.__exit__, None, None, None)
        self.terminal.close()

    # --- inside ------------------------------------------------------------------------------------------------

    @property
    def _clock_file(self) -> Path:
        return self.folder / "clock"

    def _server_time(self) -> float:
        return START + self._passed + time.monotonic() - self._began

    # How far the EA's clocks are from those of this machine.
    def _set_clock(self) -> None:
        written = struct.pack("<dd", self.wall() - time.time(), self._passed)
        with self._clock_file.open("r+b" if self._clock_file.exists() else "wb") as file:
            file.write(written)

    def _begin(self) -> None:
        self.adapter = BridgedBroker("paper", self._port.berth, monotonic=self.monotonic)

    def _open_port(self, number: int) -> GatewayPort:
        return GatewayPort.open(self.nursery, number, hears=lambda body: not (self._held and tells_outcome(body)))


class Noting(list[Any]):
    """What the terminal carries out, and the tag of whoever asked for it.

    The terminal can't know the tag of what changes or cancels. The EA has written it down before it asked, and waits.
    """

    def __init__(self, folder: Path, tags: list[str]) -> None:
        super().__init__()
        self._folder, self._tags = folder, tags

    def append(self, one: Any) -> None:
        (file,) = (self._folder / "Common" / "Files" / "QuantMind").glob("bridge-*.sent")
        self._tags.append(last_tag(file))
        super().append(one)


def ea_kind(name: str, margin_mode: str) -> Kind:
    """A kind of terminal with the bridge EA."""

    @contextlib.asynccontextmanager
    async def open_subject(folder: Path) -> AsyncIterator[EaSubject]:
        require_gpp()
        program = await trio.to_thread.run_sync(partial(build, BRIDGE))
        async with trio.open_nursery() as nursery:
            subject = EaSubject(folder, margin_mode, nursery)
            await subject.begin(program)
            try:
                yield subject
            finally:
                with trio.CancelScope(shield=True), trio.move_on_after(10):
                    await subject.end()
                nursery.cancel_scope.cancel()

    # A terminal keeps no record of a change: what has closed or was changed again since does not show it.
    return Kind(name, ALWAYS | OF_THE_MODE[margin_mode], open_subject, forgets_changes=True)
