"""Unknown orders from a terminal: listed, shown, settled by hand, against a real REST door before a command path."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from command_path import EA_TOKEN, TOKEN, WallClock, order
from gateway_process import write_config
from rest_path import RestPath, open_rest_path
from unit.edges.rest.harness import open_server
from unit.edges.rest.log_lines import LogLines

from quantmind.cli import main
from quantmind.cli.records import OUTCOMES, _asked_for, signed
from quantmind.edges.rest import make_app
from quantmind.wire.rest_bodies import _NUMBERS_OF

BROKER = {"demo": {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "random_walk", "seed": 1}}}


@attrs.define
class Terminal:
    """Runs `quantmind` in this process, beside the gateway that it asks."""

    rest: RestPath
    config: Path
    capture: pytest.CaptureFixture[str]
    order_id: str

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        with trio.fail_after(60):
            code = await trio.to_thread.run_sync(partial(self._run, arguments))
        out, err = self.capture.readouterr()
        return code, out, err

    def _run(self, arguments: tuple[str, ...]) -> int:
        try:
            return main([*arguments, "--config", str(self.config)])
        except SystemExit as end:
            return int(end.code or 0)


@contextlib.asynccontextmanager
async def terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Terminal]:
    """A gateway with one order that the broker can't tell about, and a terminal."""
    monkeypatch.setenv("QUANTMIND_TOKEN", TOKEN)
    monkeypatch.setattr(sys, "stdin", None)
    async with open_rest_path(clock=WallClock()) as rest:
        faults = rest.path.broker.inner.faults
        faults.place_unknown, faults.find_blind = "lost", True
        reply = await rest.path.ask(order(rest.path.clock))
        faults.place_unknown = None
        context = attrs.evolve(rest.context, log=LogLines(journal=rest.path.journal))
        async with open_server(app=make_app(context)) as served:
            config = write_config(tmp_path, BROKER, rest={"port": served.port})
            yield Terminal(rest, config, capsys, reply["order_id"])


async def test_from_unknown_to_settled(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """It is listed, shown with what a repeat hears, settled with a reason, and then listed no more."""
    async with terminal(tmp_path, monkeypatch, capsys) as t:
        code, out, _ = await t.run("orders", "unknown")
        assert code == 0
        head, line, hint = out.splitlines()
        assert head.split() == ["order", "id", "broker", "state", "ea", "name", "asked", "received", "request", "id"]
        assert line.split()[:7] == [t.order_id, "demo", "unknown", "alpha", "buy", "0.1", "EURUSD"]
        assert "orders settle" in hint
        code, out, _ = await t.run("orders", "show", t.order_id)
        assert code == 0
        assert "state: unknown\n" in out
        assert '"status":"unknown"' in out
        assert [each.split()[1:] for each in out.splitlines()[-2:]] == [
            ["intent", "intent"],
            ["outcome", "unknown,", "known", "by", "answer"],
        ]
        words = ("orders", "settle", t.order_id, "--outcome", "not_sent", "--reason", "not in the terminal")
        code, out, err = await t.run(*words)
        assert (code, out) == (2, "")
        assert "nobody is here to confirm it; add --yes" in err
        assert "unknown: buy 0.1 EURUSD of alpha at demo" in err
        code, out, _ = await t.run(*words, "--yes")
        assert (code, out) == (0, f"order {t.order_id} is not_sent now, by a person's word\n")
        code, _, err = await t.run(*words, "--yes")
        assert code == 1
        assert "settled: order" in err
        assert "is not_sent (known by person) already" in err
        assert await t.run("orders", "unknown") == (0, "no unknown orders\n", "")
        code, out, _ = await t.run("command", "r1", "--json")
        assert (code, json.loads(out)["state"]) == (0, "not_sent")
        code, out, _ = await t.run("command", "r1", "--ea", "alpha")
        assert "by owner, reason not in the terminal" not in out  # that is in the order's history
        code, out, _ = await t.run("orders", "show", t.order_id)
        assert "outcome   not_sent, known by person, by owner, reason not in the terminal" in out


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
async def test_it_asks_at_a_terminal(answer: str, code: int, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """Only a yes settles it."""

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    async with terminal(tmp_path, monkeypatch, capsys) as t:
        monkeypatch.setattr(sys, "stdin", Screen(answer))
        words = ("orders", "settle", t.order_id, "--outcome", "filled", "--ticket", "77", "--reason", "seen")
        found, out, err = await t.run(*words)
        assert found == code
        assert "write down that it is filled, ticket 77. Do it? [y/N]" in out
        assert ("nothing was settled" in err) == (code == 1)
        record = await t.rest.path.journal.order(t.order_id)
        assert record.state.value == ("filled" if code == 0 else "unknown")


async def test_what_goes_wrong(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """A broker that says otherwise, an order or a command that is not there, a token that may not: 1, and why."""
    async with terminal(tmp_path, monkeypatch, capsys) as t:
        t.rest.path.broker.inner.faults.find_blind = False
        words = ("orders", "settle", t.order_id, "--outcome", "filled", "--ticket", "5", "--reason", "r", "--yes")
        code, _, err = await t.run(*words)
        assert code == 1
        assert "broker_contradicts: demo says of order" in err
        assert (await t.run("orders", "show", "nope"))[0] == 1
        code, _, err = await t.run("command", "never")
        assert code == 1
        assert "nothing was sent under it" in err
        code, out, _ = await t.run("orders", "show", "nope", "--json")
        assert (code, json.loads(out)["code"]) == (1, "unknown_order")
        monkeypatch.setenv("QUANTMIND_TOKEN", EA_TOKEN)
        code, _, err = await t.run(*words)
        assert code == 1
        assert "lacks the scope admin" in err
        for wrong in (words[:5], (*words, "--profit", "x"), ("orders", "settle"), ("orders", "lost"), ("command",)):
            assert (await t.run(*wrong))[0] == 2, wrong


async def test_a_lost_answer_is_75(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """Whether it was settled is not known: it says how to find out, and not to send it with a key."""
    async with terminal(tmp_path, monkeypatch, capsys) as t:
        t.rest.path.journal.late = True
        words = ("orders", "settle", t.order_id, "--outcome", "not_sent", "--reason", "r", "--yes")
        code, _, err = await t.run(*words)
        assert code == 75
        assert f"`quantmind orders show {t.order_id}` tells" in err
        assert "--key" not in err
        t.rest.path.journal.late = False


async def test_options_before_an_action_count(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """`quantmind orders --json unknown` is JSON, and `orders` alone is still the list of pending orders."""
    async with terminal(tmp_path, monkeypatch, capsys) as t:
        code, out, _ = await t.run("orders", "--json", "unknown")
        assert (code, json.loads(out)["items"][0]["order_id"]) == (0, t.order_id)
        code, out, _ = await t.run("orders", "--broker", "demo", "unknown", "--json")
        assert len(json.loads(out)["items"]) == 1
        assert (await t.run("orders", "--broker", "other", "unknown"))[0] == 1
        assert await t.run("orders") == (0, "no pending orders\n", "")


def test_outcomes_are_those_of_the_gateway() -> None:
    """What the terminal offers is what REST takes."""
    assert tuple(state.value for state in _NUMBERS_OF) == OUTCOMES


OPEN = {"type": "trade_open", "side": "sell", "volume": "0.1", "symbol": "XAUUSD"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({**OPEN, "order_type": "market"}, "sell 0.1 XAUUSD"),
        ({**OPEN, "order_type": "limit", "price": "1.1"}, "sell 0.1 XAUUSD limit at 1.1"),
        ({"type": "trade_close", "ticket": 7, "volume": "0.1"}, "close 7 0.1 lots"),
        ({"type": "trade_cancel", "ticket": 7, "volume": None}, "cancel 7"),
        ({}, ""),
    ],
)
def test_what_was_asked_in_words(body: dict[str, Any], words: str) -> None:
    """A few words for a line of a table."""
    assert _asked_for(body) == words


@pytest.mark.parametrize("text", ["-12.50", "0", "3"])
def test_money_may_be_below_zero(text: str) -> None:
    """A profit is exact."""
    assert str(signed(text)) == text
