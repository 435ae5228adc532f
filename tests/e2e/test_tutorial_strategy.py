"""The strategy of docs/tutorial.md where no real gateway goes at will: a lost answer, a stop loss that was hit."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest
from tutorial_walk import read_steps, write

from quantmind.client import Failed, Filled, Rejected, Unknown
from quantmind.client.outcomes import Beat, Reason
from quantmind.client.requests import Command

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"


@attrs.define
class Commands:
    """Answers orders with what is queued, in order."""

    answers: list[Any] = attrs.field(factory=list)
    settled: Any = None
    asked: list[tuple[str, ...]] = attrs.field(factory=list)
    unsettled: tuple[Unknown, ...] = ()
    state: str = "active"

    def _answer(self, *what: str) -> Any:
        self.asked.append(what)
        answer = self.answers.pop(0)
        if isinstance(answer, Unknown):
            self.unsettled = (answer,)
        return answer

    def open_position(self, symbol: str, volume: str, side: str, **_: Any) -> Any:
        return self._answer("open", side, volume)

    def close_position(self, symbol: str, ticket: int) -> Any:
        return self._answer("close", str(ticket))

    def settle(self, unknown: Unknown, within_s: float) -> Any:
        self.asked.append(("settle", unknown.request_id))
        if not isinstance(self.settled, Unknown):
            self.unsettled = ()
        return self.settled

    def heartbeat(self, **_: Any) -> Beat:
        return Beat("h", Decimal(1), self.state, 5.0)


@attrs.define
class Rest:
    """An account with these positions."""

    positions: list[dict[str, Any]] = attrs.field(factory=list)

    def get(self, path: str) -> dict[str, Any]:
        return {"age_ms": -1.0}

    def items(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        assert (path, query) == ("/positions", {"symbol": "EURUSD", "magic": 1})
        yield from self.positions


@attrs.frozen
class Price:
    bid: float = 1.0850
    ask: float = 1.0851


@pytest.fixture
def safer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """my/safer.py as the page has it."""
    (tmp_path / "my").mkdir()
    for step in read_steps(PAGE.read_text(encoding="utf-8")):
        if step.word == "write":
            write(tmp_path, step)
    monkeypatch.syspath_prepend(str(tmp_path / "my"))
    yield importlib.import_module("safer")
    for name in ("first", "safer"):
        sys.modules.pop(name, None)


UNKNOWN = Unknown("r1", "no answer in time", Command("trade_open", "r1", {}, execute=True))
BOUGHT = Filled("r1", ticket=7, price=Decimal("1.0851"), volume=Decimal("0.10"))


def test_an_unknown_order_that_was_filled_is_taken_over(safer: ModuleType) -> None:
    """It is settled, found in the account, and not sent a second time."""
    commands, rest = Commands([UNKNOWN], settled=BOUGHT), Rest()
    trader = safer.SaferTrader(commands, rest)
    rest.positions = [{"ticket": 7, "side": "buy"}]
    trader.turn("buy", Price())
    assert (trader.ticket, trader.side) == (7, "buy")
    trader.turn("buy", Price())
    assert commands.asked == [("open", "buy", "0.10"), ("settle", "r1")]


def test_an_order_that_stays_unknown_ends_the_strategy(safer: ModuleType) -> None:
    """A person has to look; it goes on neither as if it were filled nor as if it were not."""
    trader = safer.SaferTrader(commands := Commands([UNKNOWN], settled=UNKNOWN), Rest())
    with pytest.raises(SystemExit, match="r1 is still unknown"):
        trader.turn("sell", Price())
    assert commands.asked == [("open", "sell", "0.10"), ("settle", "r1")]


def test_a_position_that_its_stop_loss_has_closed_is_noticed(safer: ModuleType) -> None:
    """Closing fails, the account shows nothing, and the next order waits."""
    trader = safer.SaferTrader(commands := Commands([BOUGHT, Failed("r2", "unknown_ticket", "no such ticket")]), Rest())
    trader.turn("buy", Price())
    trader.turn("sell", Price())
    assert (trader.ticket, trader.side) == (None, None)
    trader.turn("sell", Price())
    assert commands.asked == [("open", "buy", "0.10"), ("close", "7")]


def test_a_refusal_is_no_reason_to_ask_on_each_tick(safer: ModuleType) -> None:
    """After the governor's no it waits, whatever the ticks say."""
    no = Rejected("r1", (Reason("max_volume", "too much"),))
    trader = safer.SaferTrader(commands := Commands([no]), Rest())
    for side in ("buy", "sell", "buy"):
        trader.turn(side, Price())
    assert commands.asked == [("open", "buy", "0.10")]


def test_two_positions_are_too_many(safer: ModuleType) -> None:
    """It does not guess which of them is meant."""
    with pytest.raises(SystemExit, match="2 positions are open"):
        safer.SaferTrader(Commands(), Rest([{"ticket": 7, "side": "buy"}, {"ticket": 8, "side": "sell"}]))
