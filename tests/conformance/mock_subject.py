"""The paper broker as a subject: hedging or netting, in memory or kept in a file."""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
from conformance.subject import Capability, Executed, Kind, Loss

from quantmind.adapters.mock import IngestFeed, MockBroker, build
from quantmind.config.brokers import IngestFeed as IngestFeedConfig
from quantmind.config.brokers import MockBrokerConfig, SymbolOverrides
from quantmind.config.hours import SwapConfig
from quantmind.domain.orders import Outcome, Placed, Proposal, Refused
from quantmind.domain.quotes import Quote
from quantmind.domain.retcodes import Retcode
from quantmind.domain.risk.approval import Approved
from quantmind.wire.ingest import IngestFault

START = 1_795_424_400.0
SYMBOLS = {"EURUSD": SymbolOverrides(volume_min=Decimal("0.02"), swap_long=Decimal(-7)), "USDJPY": SymbolOverrides()}
"""A minimum that is not the step, so that neither is taken for the other."""
STARTS = {"EURUSD": Decimal("1.10000"), "USDJPY": Decimal("150.000")}

ALWAYS = frozenset(Capability) - {
    Capability.HEDGING,
    Capability.NETTING,
    Capability.CLOSE_BY,
    Capability.KEEPS,
    Capability.REPEATS_TAGS,
    Capability.UNIQUE_WAITING_TAGS,
    Capability.UNIQUE_TAGS,
}
OF_THE_MODE = {
    "hedging": frozenset({Capability.HEDGING, Capability.CLOSE_BY}),
    "netting": frozenset({Capability.NETTING}),
}


@attrs.define(eq=False)
class MockSubject:
    """A paper account on a market that is moved by hand. Its ground truth is written as each request is carried out."""

    folder: Path
    margin_mode: str
    persist: bool
    uniqueness: Capability = Capability.REPEATS_TAGS
    starts: Mapping[str, Decimal] = attrs.field(factory=lambda: dict(STARTS), init=False)
    adapter: MockBroker = attrs.field(init=False)
    _past: list[MockBroker] = attrs.field(factory=list, init=False)
    _truth: list[Executed] = attrs.field(factory=list, init=False)
    _now: float = attrs.field(default=1000.0, init=False)
    _wall_back: float = attrs.field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self._begin()

    @property
    def broker(self) -> Any:
        if self.uniqueness is Capability.REPEATS_TAGS:
            return self.adapter
        return UniqueTags(self.adapter, self.uniqueness)

    def monotonic(self) -> float:
        return self._now

    def wall(self) -> float:
        return START + self._now - self._wall_back

    async def move(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        feed = self.adapter.feed
        assert isinstance(feed, IngestFeed)
        with contextlib.suppress(IngestFault) if bid > ask else contextlib.nullcontext():
            feed.offer(Quote(symbol, float(bid), float(ask), round(self.wall() * 1000)))

    async def pass_time(self, seconds: float) -> None:
        self._now += seconds

    async def set_wall_back(self, seconds: float) -> None:
        self._wall_back += seconds

    async def cut(self) -> None:
        faults = self.adapter.faults
        faults.connect_error = faults.poll_error = faults.sample_error = "the line is cut"
        faults.place_error = faults.find_error = "the line is cut"

    async def mend(self) -> None:
        faults = self.adapter.faults
        faults.connect_error = faults.poll_error = faults.sample_error = None
        faults.place_error = faults.find_error = None

    async def lose(self, what: Loss | None) -> None:
        lost = {Loss.ANSWER: "executed", Loss.REQUEST: "lost"}
        self.adapter.faults.place_unknown = None if what is None else lost[what]  # type: ignore[assignment]

    async def hold_answers(self, held: bool) -> None:
        self.adapter.faults.place_delay_s = math.inf if held else 0.0

    async def blind(self, is_blind: bool) -> None:
        self.adapter.faults.find_blind = is_blind

    async def withhold(self, withheld: bool) -> None:
        self.adapter.faults.sample_error = "no data" if withheld else None

    async def restart(self) -> None:
        """What is on disk at this moment is all that the next one has: nobody closes anything."""
        self._past.append(self.adapter)
        before, after = self._file(len(self._past) - 1), self._file(len(self._past))
        after.parent.mkdir()
        for part in before.parent.iterdir():
            shutil.copy(part, after.parent)
        self._begin()
        # Broker and adapter are one here: what was not written by then has never been.
        self._truth = [each for each in self._truth if self.adapter.account.find(each.tag) is not None]

    async def executed(self) -> Sequence[Executed]:
        return list(self._truth)

    async def end(self) -> None:
        """Let every file go."""
        for adapter in (*self._past, self.adapter):
            await adapter.aclose()

    def _file(self, number: int) -> Path:
        return self.folder / str(number) / "account.sqlite3"

    def _begin(self) -> None:
        file = self._file(len(self._past))
        file.parent.mkdir(exist_ok=True)
        config = MockBrokerConfig(
            name="paper",
            margin_mode=self.margin_mode,
            symbols=SYMBOLS,
            feed=IngestFeedConfig(),
            commission_per_lot=Decimal("3.50"),
            swap=SwapConfig(),
            persist=self.persist,
        )
        self.adapter = build(config, monotonic=self.monotonic, wall=self.wall, account_file=file)
        carry_out = self.adapter.account.carry_out

        def witnessed(request: Proposal, tag: str) -> Placed | Refused:
            outcome = carry_out(request, tag)
            if isinstance(outcome, Placed):
                self._truth.append(Executed(tag, outcome.ticket, outcome.volume, outcome.pending))
            return outcome

        self.adapter.account.carry_out = witnessed  # type: ignore[method-assign]


class UniqueTags:
    """A paper broker that refuses a tag as others do: for ever, or as long as its order waits."""

    def __init__(self, broker: MockBroker, uniqueness: Capability) -> None:
        self._broker = broker
        self._for_ever = uniqueness is Capability.UNIQUE_TAGS

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    async def place(self, order: Approved, tag: str) -> Outcome:
        account = self._broker.account
        if account.find(tag) is not None if self._for_ever else any(each.tag == tag for each in account.orders()):
            return Refused(int(Retcode.INVALID), "Duplicate order sent.")
        return await self._broker.place(order, tag)


def mock_kind(
    name: str, margin_mode: str, *, persist: bool = False, uniqueness: Capability = Capability.REPEATS_TAGS
) -> Kind:
    """A kind of paper broker."""

    @contextlib.asynccontextmanager
    async def open_subject(folder: Path) -> AsyncIterator[MockSubject]:
        subject = MockSubject(folder, margin_mode, persist, uniqueness)
        try:
            yield subject
        finally:
            await subject.end()

    kept = {Capability.KEEPS} if persist else set()
    stands_in = None if uniqueness is Capability.REPEATS_TAGS else uniqueness
    return Kind(name, ALWAYS | OF_THE_MODE[margin_mode] | kept | {uniqueness}, open_subject, stands_in)
