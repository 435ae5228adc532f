"""docs/tutorial.md, walked through by a newcomer: a fresh copy of the project, a fresh environment, each block as it stands.

What differs from a newcomer's machine is in `a_machine` and `a_copy`: a home folder of the test's own, so that nobody's
real state is touched, and ports that are free here. The walk is one for all tests of this file, since it takes a while.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest
from tutorial_walk import Step, Stumbled, Walk, read_steps

from quantmind.client import Failed, Filled, Rejected, Unknown
from quantmind.client.outcomes import Beat, Reason
from quantmind.client.requests import Command

ROOT = Path(__file__).parents[2]
STEPS = read_steps((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"))
RECORDED = "recorded day"
CHANGED_TICKS = 87_802
"""Ticks of the recorded day whose price is not that of the tick before."""
DOORS = {"websocket": "port", "commands": "port", "data": "publish_port", "rest": "port"}
NO_INDEX = re.compile(
    r"No matching distribution|Could not find a version|Connection|NewConnectionError|timed out", re.I
)


def cannot(reason: str) -> None:
    """Skip here; where everything must be there, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def free_ports(number: int) -> list[int]:
    """Ports that nothing listens on, below those that the system gives to outgoing connections."""
    found: list[int] = []
    for port in random.sample(range(20_000, 30_000), 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == number:
            return found
    raise AssertionError(f"no {number} free ports")


def a_machine(folder: Path, data: Path | None) -> dict[str, str]:
    """The environment of a newcomer: nothing of ours but the way to pip's index."""
    home = Path.home()
    ours = ("QUANTMIND_", "XDG_", "PYTHON", "VIRTUAL_ENV", "COV_", "PYTEST_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    if (home / ".cache" / "pip").is_dir():
        env.setdefault("PIP_CACHE_DIR", str(home / ".cache" / "pip"))
    for settings in (home / ".config" / "pip" / "pip.conf", home / ".pip" / "pip.conf"):
        if settings.is_file():
            env.setdefault("PIP_CONFIG_FILE", str(settings))
    (folder / "home").mkdir()
    env["HOME"] = str(folder / "home")  # the state folder, and the token that the page reads
    env["PATH"] = os.pathsep.join([str(Path(sys.base_prefix) / "bin"), env.get("PATH", os.defpath)])
    env["PYTHONUNBUFFERED"] = "1"  # as at a terminal, which shows each line at once
    env["no_proxy"] = env["NO_PROXY"] = "127.0.0.1,localhost"  # curl's requests are for this machine
    if data is not None:
        env["QUANTMIND_DATA"] = str(data)
    return env


def a_copy(folder: Path, ports: list[int]) -> Path:
    """What a clone would have, with the ports of this test below each configuration."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.CalledProcessError):
        cannot("needs git and a clone: what the newcomer has is what git has")
    project = folder / "project"
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, project / name)
    doors = {door: {key: port} for (door, key), port in zip(DOORS.items(), ports, strict=True)}
    for name in ("brokers.yaml", "replay.yaml"):
        with (project / "config" / name).open("a", encoding="utf-8") as file:
            file.write(f"\ngateway: {json.dumps(doors)}\n")
    return project


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    if sys.platform == "win32" or shutil.which("bash") is None or shutil.which("curl") is None:
        cannot("needs bash and curl")
    named = os.environ.get("QUANTMIND_DATA")
    data = Path(named) if named else ROOT.parent / "shared" / "data"
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "terminals").mkdir()
    ports = free_ports(len(DOORS))
    walk = Walk(
        a_copy(folder, ports),
        a_machine(folder, data if data.is_dir() else None),
        folder / "terminals",
        parts={RECORDED} if data.is_dir() else set(),
        replace={"127.0.0.1:5005": f"127.0.0.1:{ports[-1]}"},
    )
    try:
        install(walk, STEPS[0])
        for step in STEPS[1:]:
            walk.go(step)
        yield walk
    finally:
        walk.close()


def install(walk: Walk, step: Step) -> None:
    """The first block. Without an index for pip nobody gets further."""
    assert "pip install" in step.text
    try:
        walk.go(step)
    except Stumbled as error:
        if NO_INDEX.search(str(error)):
            cannot(f"pip reaches no index here: {str(error)[-500:]}")
        raise


def account_adds_up(told: str, answer: str, deals: str) -> tuple[int, int]:
    """What a strategy printed last is what the gateway says, and its deals make it; its ticks, seen and missed."""
    end = re.search(r"^(\d+) ticks, (\d+) missed; balance ([\d.]+), equity ([\d.]+)$", told, re.MULTILINE)
    assert end is not None, told
    account = json.loads(answer, parse_float=Decimal)
    assert (Decimal(end[3]), Decimal(end[4])) == (account["balance"], account["equity"])
    items = json.loads(deals, parse_float=Decimal)["items"]
    assert {item["magic"] for item in items} == {1}
    assert [item["entry"] for item in items] == ["in", "out"] * (len(items) // 2)
    assert len(items) == 2 * len(re.findall(r"^(?:buy|sell) 0\.10 at ", told, re.MULTILINE)) > 0
    assert account["balance"] == 10_000 + sum(item["profit"] + item["commission"] + item["swap"] for item in items)
    return int(end[1]), int(end[2])


def test_the_page_has_a_way_through() -> None:
    """Each block is for a known terminal or file, and the gateway is stopped as often as it was started."""
    assert [
        step.text for step in STEPS if step.word == "start" and step.about == "gateway" and "run" not in step.text
    ] == []
    started = [step for step in STEPS if (step.word, step.about) == ("start", "gateway")]
    assert len(started) == len([step for step in STEPS if (step.word, step.about) == ("stop", "gateway")])


def test_a_page_is_refused_when_something_on_it_would_not_be_run() -> None:
    """A misspelt comment, a block of another language, a program without a file: each is an error and not a gap."""
    for page in ("<!-- sotp gateway -->\n", "```bash\nls\n```\n", "```python\nx = 1\n```\n", "<!-- in gateway -->\n"):
        with pytest.raises(ValueError, match=r"sotp|bash|no file|write a terminal"):
            read_steps(page)


def test_ticks_are_seen_and_recorded(walk: Walk) -> None:
    """Five ticks are shown, and the recorder has its hundred without a gap."""
    assert len(re.findall(r"EURUSD +1\.\d+ +1\.\d+ +spread", walk.said("ticks EURUSD --count 5"))) == 5
    assert "100 ticks written to my/walk.ticks, 0 gaps" in walk.said("wait recorder")
    lines = (walk.folder / "my" / "walk.ticks").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if not line.startswith("#")]) == 100


def test_trades_by_hand(walk: Walk) -> None:
    """The order fills, the position shows, and it is closed."""
    bought = walk.said("trade EURUSD buy 0.1 --sl 1.0")
    ticket = re.search(r"bought 0\.10? EURUSD at 1\.\d+; ticket (\d+)", bought)
    assert ticket is not None, bought
    assert re.search(rf"^ *{ticket[1]} +demo +EURUSD +buy", bought, re.MULTILINE), bought
    assert f"ticket {ticket[1]} at 1." in walk.said("close --all")


def test_refusals_say_who_refused_and_why(walk: Walk) -> None:
    """The governor names its rule, the broker its code, and a halt its reason."""
    assert "the risk governor refused it: one order of the account may have 1.0 lots" in walk.said("buy 5 --yes\n")
    refused = json.loads(walk.said("buy 5 --yes --json"))
    assert [(reason["rule"], reason["limit"]) for reason in refused["reasons"]] == [("max_volume", 1.0)]
    assert "the broker refused it (10016)" in walk.said("--sl 1.5")
    assert "trading is halted (I am practising" in walk.said("buy 0.1 --yes")
    assert '"state":"active"' in walk.said('"reason": "enough"')


def test_the_first_strategy_on_a_recording_of_ones_own(walk: Walk) -> None:
    """It sees every tick, the equity that it prints is the account's, and its deals make it."""
    told = walk.said("my/first.py 5 20")
    ticks = account_adds_up(told, walk.said("$R/account"), walk.said("$R/deals?limit=1000"))
    assert sum(ticks) == 100
    bars = json.loads(walk.said("timeframe=M1&limit=2"))["items"]
    assert all(bar["low"] <= min(bar["open"], bar["close"]) for bar in bars)
    assert bars


def test_the_first_strategy_on_the_recorded_day(walk: Walk, data_folder: Path) -> None:
    """The same on 8 May 2014; ticks that it could not take are told, and the bars have all of them."""
    assert data_folder.is_dir()
    told = walk.said("my/first.py 500 5000")
    day, answer = told[: told.rindex("{")], told[told.rindex("{") :]
    assert sum(account_adds_up(day, answer, walk.said("$R/deals?limit=1000", 1))) == CHANGED_TICKS
    bars = json.loads(walk.said("timeframe=H1&limit=1000"))["items"]
    assert bars[0]["time"] == "2014-05-08T00:00:00.000Z"
    assert sum(bar["tick_volume"] for bar in bars) == CHANGED_TICKS


def test_the_safer_strategy_obeys_and_finds_its_position_again(walk: Walk) -> None:
    """Killed, it takes over what is open; halted, it goes out; with less risk it trades less; stopped, it leaves nothing."""
    printed = walk.terminal("strategy").printed
    before, after = printed.split("open: ", 2)[1:]
    side = re.findall(r"^(buy|sell) 0\.10 at 1\.\d+, stop at 1\.\d+$", before, re.MULTILINE)[-1]
    assert after.startswith(f"{side}\n"), printed
    halted = after[after.index("trading is halted") : after.index("trading is active")]
    assert re.search(r"^(?:buy|sell) ", halted, re.MULTILINE) is None, "nothing is opened while trading is halted"
    assert re.search(r"^(?:buy|sell) 0\.05 at ", after[after.index("trading is active") :], re.MULTILINE)
    assert '"risk_multiplier":1' in walk.said('"risk_multiplier": 1}')
    assert re.search(r"\d+ ticks, \d+ missed; balance", walk.said("stop strategy"))
    assert "no open positions" in walk.said("quantmind positions", 1)


# --- what can't be made to happen at will: a gateway that answers as the test says --------------------------------


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
    for step in STEPS:
        if step.word == "write":
            path = tmp_path / Path(step.about).name
            path.write_text((path.read_text() + "\n\n" if path.exists() else "") + step.text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
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
