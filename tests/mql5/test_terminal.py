"""The terminal that MQL5 programs of the tests run in: what they see and get is as in a real one."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from mql5.build import build, require_gpp
from mql5.program import Program, run

from quantmind.config.brokers import MockBrokerConfig, SymbolOverrides
from quantmind.domain.orders import Close, Origin
from quantmind.testing.terminal import FakeTerminal

PROGRAMS = Path(__file__).parent / "programs"
HOST = Path(__file__).parent / "host"
START = 1_795_424_400
SERVER = START + 7200


class World:
    """A terminal, its market, and programs in it."""

    def __init__(self, folder: Path, margin_mode: Any) -> None:
        symbols = {"EURUSD": SymbolOverrides(), "USDJPY": SymbolOverrides()}
        config = MockBrokerConfig(name="x", login=5, server="Demo", margin_mode=margin_mode, symbols=symbols)
        self.now = float(START)
        self.folder = folder
        self.terminal = FakeTerminal(config, clock=lambda: self.now)
        self.path = self.terminal.serve(folder)
        self.faults = self.terminal.faults
        self.terminal.tick("EURUSD", 1.1, 1.1001)

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return {"MQL_TERMINAL": str(self.path), "MQL_SYMBOL": "EURUSD", **(more or {})}

    def script(
        self, case: str, *, program: str = "terminal_script", more: Mapping[str, str] | None = None, **inputs: Any
    ) -> Sequence[str]:
        """What a case of a script prints."""
        made = build(PROGRAMS / f"{program}.mq5")
        done = run(
            made, inputs={"InpCase": case, **inputs}, folder=self.folder, environment=self.environment(more), timeout=60
        )
        assert done.exit_code == 0, done.errors
        lines: Sequence[str] = done.lines
        return lines

    def expert(self, **inputs: Any) -> Program:
        made = build(PROGRAMS / "terminal_events.mq5")
        return Program(made, inputs=inputs, folder=self.folder, environment=self.environment())


Open = Callable[..., World]


@pytest.fixture
def open_world(tmp_path: Path) -> Iterator[Open]:
    require_gpp()
    worlds: list[World] = []

    def make(margin_mode: str = "hedging") -> World:
        worlds.append(World(tmp_path, margin_mode))
        return worlds[-1]

    yield make
    for world in worlds:
        world.terminal.close()


@pytest.fixture
def world(open_world: Open) -> World:
    return open_world()


def tickets(lines: Sequence[str], what: str = "market") -> list[int]:
    """The orders of the requests that were printed."""
    return [int(found[1]) for line in lines if (found := re.match(rf".*{what}: \S+ .*order=(\d+)", line))]


def shown(lines: Sequence[str], start: str) -> list[str]:
    """The lines that begin so, whatever a host puts before what is printed; without that and without tickets."""
    return [re.sub(r"\d{13}", "#", line[line.index(start) :]) for line in lines if start in line]


def has(lines: Sequence[str], *wanted: str) -> None:
    """Each is the end of a line, in this order."""
    rest = iter(lines)
    for each in wanted:
        assert any(line.endswith(each) for line in rest), (each, lines)


# --- trading ---------------------------------------------------------------------------------------------------------


def test_positions_from_the_first_to_the_last(world: World) -> None:
    """Opened, given stops, closed in part, closed by another one, closed: as the account says each time."""
    lines = world.script("positions")
    first = tickets(lines)[0]
    has(
        lines,
        "volume=0.50 price=1.10010 error=0",
        f"position {first}: EURUSD POSITION_TYPE_BUY volume=0.50 open=1.10010 sl=0.00000 tp=0.00000 magic=77 "
        "comment=from a script that says more th",
        "retcode=10009 order=0 deal=0 volume=0.00 price=0.00000 error=0",
        "retcode=10025 order=0 deal=0 volume=0.00 price=0.00000 error=4756",
        "volume=0.20 price=1.10000 error=0",
        f"position {first}: EURUSD POSITION_TYPE_BUY volume=0.30 open=1.10010 sl=1.09000 tp=1.12000 magic=77 "
        "comment=from a script that says more th",
        "total=2",
        "no position, error=4753",
        "volume=0.10 open=1.10000 sl=0.00000 tp=0.00000 magic=77 comment=from a script that says more th",
        "total=0",
    )
    assert not world.terminal.account.positions()
    assert len(world.terminal.account.deals) == 6


def test_a_position_that_turns(open_world: Open) -> None:
    """A netting account has one position of a symbol, which keeps its ticket when it turns."""
    lines = open_world("netting").script("netting")
    has(
        lines,
        "total=1",
        f"position {tickets(lines)[0]}: EURUSD POSITION_TYPE_SELL volume=0.20 open=1.10000 sl=0.00000 tp=0.00000 "
        "magic=77 comment=from a script that says more th",
        "select=true error=0",
        "type=POSITION_TYPE_SELL margin mode=ACCOUNT_MARGIN_MODE_RETAIL_NETTING",
        "deal entry=DEAL_ENTRY_IN volume=0.30",
        "deal entry=DEAL_ENTRY_INOUT volume=0.50",
    )


def test_orders_that_wait(world: World) -> None:
    """Placed with an expiration or without one, changed, taken back; then history has what was taken back."""
    has(
        world.script("waiting"),
        "orders=2",
        "ticket=same",
        "type=ORDER_TYPE_BUY_LIMIT",
        "expires in 60",
        "select=true error=0",
        "price=true error=0",
        "moved to 1.06000",
        "select=false error=4754",
        "orders=1",
        "history=1 state=ORDER_STATE_CANCELED",
    )
    (left,) = world.terminal.account.orders()
    assert left.expiration_msc == (START + 60) * 1000


def test_history_is_what_was_selected(world: World) -> None:
    """A selection is a snapshot: what happens afterwards is not in it, and selecting one leaves that one."""
    has(
        world.script("history"),
        "before=0 0",
        "snapshot=0",
        "selected=2 orders=2",
        "profit=true error=0",
        "deal DEAL_TYPE_SELL EURUSD -1.00",
        "ninth=false error=4755",
        "one=1 same=true",
        "missing=false error=4754",
    )


def test_what_authors_trip_over(world: World) -> None:
    """Errors as a terminal has them, and a walk forwards through positions that it closes: it leaves some open."""
    world.terminal.tick("USDJPY", 150.0, 150.01)
    world.terminal.selected.discard("USDJPY")
    has(
        world.script("traps"),
        "unselected=false error=4753",
        "unknown=false error=4301",
        "bid=0.0",
        "unwatched=false error=4302",
        "select=true error=0",
        "watched=true error=0",
        "hide=false error=4305",
        "unselect=true error=0",
        "no ticks=false error=4301",
        "gone=false error=4753",
        "order=false error=4754",
        "forwards closed=2 left=1",
    )


def test_money(world: World) -> None:
    """Margin and profit, and whether an order would be taken, before anything is sent."""
    has(
        world.script("money"),
        "margin=1100.10 profit=1000.00",
        "check=true error=0",
        "0 margin=1100.10 Done",
        "check=false error=4756",
        "10019 No money",
        "calc=false error=4301",
        "calc=false error=4758",
        "5 USD hedges balance=10000.00 free=10000.00",
    )


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("faults", "answer", "executed"),
    [
        ({"disconnected": True}, "false retcode=10031 error=4756", False),
        ({"autotrading_off": True}, "false retcode=10027 error=4752", False),
        ({"server_autotrading_off": True}, "false retcode=10026 error=4752", False),
        ({"read_only": True}, "false retcode=10017 error=4756", False),
        ({"market_closed": True}, "false retcode=10018 error=4756", False),
        ({"invalid_fill": True}, "false retcode=10030 error=4756", False),
        ({"requotes": 1}, "false retcode=10004 error=4756", False),
        ({"retcode": 10024}, "false retcode=10024 error=4756", False),
        ({"request_lost": True}, "false retcode=10012 error=4756", False),
        ({"answer_lost": True}, "false retcode=10012 error=4756", True),
        ({"ambiguous": 10012}, "false retcode=10012 error=4756", True),
        ({"ambiguous": 10031, "ambiguous_done": False}, "false retcode=10031 error=4756", False),
        ({"half_answers": True}, "false retcode=10012 error=4756", True),
        ({"comment_length": 4}, "true retcode=10009 error=0", True),
    ],
    ids=str,
)
def test_faults(world: World, faults: Mapping[str, Any], answer: str, executed: bool) -> None:
    """A refusal is false with its code; so is an answer that never came, though the order may have been carried out."""
    build(PROGRAMS / "terminal_script.mq5")
    for name, value in faults.items():
        setattr(world.faults, name, value)
    if world.faults.half_answers:
        # All before the request is answered whole.
        world.faults.half_answers = False
        original = world.terminal._program_send

        def halved(**arguments: Any) -> Any:
            world.faults.half_answers = True
            return original(**arguments)

        world.terminal._program_send = halved
    (line,) = shown(world.script("buy"), "market: ")
    assert re.sub(r" order=.*(?= error)", "", line) == f"market: {answer}"
    positions = world.terminal.account.positions()
    assert bool(positions) == executed
    if executed:
        assert positions[0].comment == "from a script that says more th"[: world.faults.comment_length]


def test_a_program_that_may_not_trade(world: World) -> None:
    """Its own permission is its own: it is told so, and nothing leaves it."""
    lines = world.script("buy", more={"MQL_TRADE_ALLOWED": "0"})
    assert shown(lines, "market: ") == [
        "market: false retcode=10027 order=0 deal=0 volume=0.00 price=0.00000 error=4752"
    ]
    assert "program_send" not in world.terminal.calls
    has(
        world.script("money", more={"MQL_TRADE_ALLOWED": "0", "MQL_TESTER": "1"}),
        "connected=1 allowed=1 program=0 tester=1 name=terminal_script",
    )


def test_another_account_and_no_connection(world: World) -> None:
    """A program sees by itself that it is at the wrong account, or that the terminal is cut off."""
    world.faults.wrong_account = 9
    world.faults.disconnected = True
    has(
        world.script("money"),
        "9 USD hedges balance=10000.00 free=10000.00",
        "connected=0 allowed=1 program=1 tester=0 name=terminal_script",
    )


def test_without_a_terminal(tmp_path: Path) -> None:
    """Nothing is traded in the void: the program ends and says what is missing."""
    require_gpp()
    made = build(PROGRAMS / "terminal_script.mq5")
    done = run(made, inputs={"InpCase": "buy"}, folder=tmp_path, environment={"MQL_TERMINAL": ""}, timeout=60)
    assert done.exit_code != 0
    assert "MQL_TERMINAL names none" in str(done.errors)


# --- the market and the chart ----------------------------------------------------------------------------------------


def test_symbols(world: World) -> None:
    """What a symbol is, how it trades, its prices, and the two times of a server."""
    world.now += 5
    has(
        world.script("symbols", program="terminal_market"),
        "symbol=EURUSD point=0.00001 digits=5 period=PERIOD_H1",
        "total=2 watched=2",
        "second=USDJPY",
        "tick value=1.00000 size=0.00001 contract=100000",
        "volume 0.01 to 100.00 by 0.01",
        "bid=1.10000 ask=1.10010 spread=10",
        "mode=SYMBOL_TRADE_MODE_FULL execution=SYMBOL_TRADE_EXECUTION_MARKET ioc=true",
        "EUR/USD",
        "exists=false custom=false",
        "session=true 0 86400",
        f"server={SERVER + 5} current={SERVER}",
        "book=false",
        "book=2 BOOK_TYPE_SELL 1.10010",
    )


def test_ticks_page_by_page(world: World) -> None:
    """Several ticks of one millisecond are several, and a page that ends in it does not lose those behind."""
    for number, after_ms in enumerate((1000, 1000, 1000, 1001, 1001, 1005, 1005, 1005, 1005)):
        world.terminal.tick("EURUSD", 1.1 + number / 100, 1.3, time_msc=START * 1000 + after_ms)
    lines = world.script("ticks", program="terminal_market", InpFrom=(SERVER + 1) * 1000)
    seen = [line.split("tick ")[1] for line in lines if "tick " in line]
    offsets = (0, 0, 0, 1, 1, 5, 5, 5, 5)
    assert seen == [f"{each} {1.1 + number / 100:.5f} flags=6" for number, each in enumerate(offsets)]
    has(lines, "newest 2: 1.18000", "range 3", "trades 0", "unknown -1")


def test_bars_and_indicators(world: World) -> None:
    """Bars are counted from the newest one, and indicators are made of them."""
    for minute in range(6):
        for second, more in enumerate((0.0, 0.1, 0.05)):
            at = (START + 60 + minute * 60 + second) * 1000
            world.terminal.tick("EURUSD", 2.0 + minute + more, 20, time_msc=at)
    has(
        world.script("series", program="terminal_market"),
        "rates=3 first=4.0 last=6.0 high=6.1 volume=3",
        "bars=7 close=7.0 older=6.0 none=0.0 seconds=14400",
        "closes=2 newest=6.0",
        "sma=5.050 6.050",
        "ema=6.06641",
        "atr=1.025 1.050 1.050 1.050 1.050",
        "calculated=7",
        "released=-1 error=4807",
        "handle=-1",
    )


def test_objects_on_a_chart(world: World) -> None:
    """What a program draws is recorded, for tests to look at."""
    chart = world.folder / "chart.json"
    lines = world.script("objects", program="terminal_market", more={"MQL_CHART_FILE": str(chart)})
    has(
        lines,
        "total=3 labels=1 first=button",
        "text=Gewinn: 5 € x=12 price=1.3 type=OBJ_TREND",
        "find=0 none=-1",
        "set=false error=4202",
        "width=1280 grid=0 symbol=EURUSD",
        "deleted=1 left=1",
    )
    drawn = json.loads(chart.read_text(encoding="utf-8"))
    assert (drawn["symbol"], drawn["comment"]) == ("EURUSD", "Stand: 5")
    label, trend = drawn["objects"]
    assert (label["name"], label["type"], label["text"], label["xdistance"], label["corner"]) == (
        "label",
        "OBJ_LABEL",
        "Gewinn: 5 €",
        12,
        2,
    )
    assert trend["points"] == [{"time": 1000, "price": 1.1}, {"time": 2000, "price": 1.3}]


# --- what a program is told ------------------------------------------------------------------------------------------

OF_A_MARKET_ORDER = (
    "TRADE_TRANSACTION_ORDER_ADD",
    "TRADE_TRANSACTION_DEAL_ADD",
    "TRADE_TRANSACTION_ORDER_DELETE",
    "TRADE_TRANSACTION_HISTORY_ADD",
)


def test_what_was_sent_at_the_start_is_told_afterwards(world: World) -> None:
    """Transactions come after OnInit, the answer to an asynchronous request among them, then that there was a trade."""
    with world.expert(InpOrderAtStart=True) as expert:
        sent = expert.wait_for("sent=")
        expert.wait_for("trade positions=1")
        request = sent.split("request=")[1].split()[0]
        assert "sent=true retcode=10008 order=0" in sent
        has(
            [line.split(" order=")[0] if "TRADE_TRANSACTION" in line else line for line in expert.lines],
            "ready",
            *OF_A_MARKET_ORDER,
            "TRADE_TRANSACTION_REQUEST",
            f"request={request}",
            "trade positions=1",
        )
        assert expert.terminate() == 0


def test_a_stop_that_is_hit(world: World) -> None:
    """The server's order, its deal, both in history, then the trade, then the tick that did it."""
    with world.expert() as expert:
        expert.wait_for("ready")
        position = tickets(world.script("buy"))[0]
        expert.wait_for("trade positions=1")
        world.script("stops", InpTicket=position)
        expert.wait_for("TRADE_TRANSACTION_POSITION")
        before = len(expert.lines)
        world.terminal.tick("EURUSD", 1.08, 1.0801)
        expert.wait_for("tick 1.08")
        lines = expert.lines[before:]
        has(
            [line.split(" order=")[0] if "TRADE_TRANSACTION" in line else line for line in lines],
            *OF_A_MARKET_ORDER,
            "trade positions=0",
            "tick 1.08000 positions=0",
        )
        assert f"position={position} ORDER_TYPE_SELL ORDER_STATE_STARTED volume=0.10" in lines[-6]


def test_two_programs_share_an_account(world: World) -> None:
    """What one does the other hears of, but for the answer to the request: that is for who asked."""
    with world.expert() as one, world.expert() as other:
        one.wait_for("ready")
        other.wait_for("ready")
        position = tickets(world.script("buy"))[0]
        for each in (one, other):
            each.wait_for("TRADE_TRANSACTION_HISTORY_ADD")
            each.wait_for("trade positions=1")
        world.script("close", InpTicket=position)
        for each in (one, other):
            each.wait_for("trade positions=0")
            assert not [line for line in each.lines if "TRADE_TRANSACTION_REQUEST" in line]


def test_an_order_whose_time_is_over(world: World) -> None:
    """It is deleted and goes to history as expired, without a tick."""
    world.script("waiting")
    with world.expert() as expert:
        expert.wait_for("ready")
        world.now += 61
        world.terminal.pass_time()
        expert.wait_for("TRADE_TRANSACTION_ORDER_DELETE")
        assert "ORDER_STATE_EXPIRED" in expert.wait_for("TRADE_TRANSACTION_HISTORY_ADD")
        expert.wait_for("trade positions=0")


def test_ticks_do_not_queue_up(world: World) -> None:
    """Many ticks at once are one event, of the last price; another symbol's are none."""
    with world.expert() as expert:
        expert.wait_for("ready")
        with world.terminal._lock:
            for number in range(50):
                world.terminal.tick("EURUSD", 1.2 + number / 1000, 1.3)
            world.terminal.tick("USDJPY", 150.0, 150.01)
        assert "tick 1.24900" in expert.wait_for("tick ")
        world.terminal.tick("USDJPY", 150.0, 150.01)
        world.terminal.tick("EURUSD", 1.21, 1.3)
        assert "tick 1.21000" in expert.wait_for("tick ")


def test_what_a_terminal_missed(world: World) -> None:
    """While it is cut off from its server no tick and no transaction comes; afterwards all do."""
    with world.expert() as expert:
        expert.wait_for("ready")
        world.script("buy")
        expert.wait_for("trade positions=1")
        world.faults.disconnected = True
        (position,) = world.terminal.account.positions()
        world.terminal.account.close(Close(Origin("hand", 0), "", "EURUSD", position.ticket), "")
        world.terminal.tick("EURUSD", 1.15, 1.1501)
        before = len(expert.lines)
        world.script("symbols", program="terminal_market")
        assert len(expert.lines) == before
        world.faults.disconnected = False
        expert.wait_for("trade positions=0")
        expert.wait_for("tick 1.15")


def test_a_terminal_that_begins_again(world: World) -> None:
    """A program outlives a broken connection and hears what it missed."""
    with world.expert() as expert:
        expert.wait_for("ready")
        world.terminal.restart()
        world.terminal.tick("EURUSD", 1.15, 1.1501)
        expert.wait_for("tick 1.15")


# --- constants -------------------------------------------------------------------------------------------------------


def test_constants_are_those_of_the_package(data_folder: Path, tmp_path: Path) -> None:
    """Each constant that the Python package has, too, has its value."""
    require_gpp()
    facts = data_folder.parent / "facts" / "mt5_facts.json"
    if not facts.exists():
        pytest.skip(f"the facts about the package are not there: {facts}")
    groups = json.loads(facts.read_text(encoding="utf-8"))["constants"]
    theirs = {name: value for group in groups.values() for name, value in group.items()}
    named = {name.replace("TIMEFRAME_", "PERIOD_"): value for name, value in theirs.items()}
    # Those of the package alone, and the days, whose names are others in MQL5.
    wanted = {name: value for name, value in named.items() if not name.startswith(("RES_", "DAY_OF_WEEK_"))}
    checks = "\n".join(f"static_assert(int(mql::{name}) == {value});" for name, value in wanted.items())
    includes = "\n".join(f'#include "{file}"' for file in sorted((HOST / "terminal" / "enums").glob("*.hpp")))
    source = tmp_path / "constants.cpp"
    source.write_text(f"{includes}\n{checks}\n", encoding="utf-8")
    done = subprocess.run(
        ["g++", "-std=c++20", "-fsyntax-only", source], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert len(wanted) > 180
