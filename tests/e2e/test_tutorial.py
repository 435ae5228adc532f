"""docs/tutorial.md, walked through by a newcomer: a fresh copy of the project, a fresh environment, block by block.

What differs from a newcomer's machine is in `a_machine` and `a_copy`: a home folder of the test's own, so that nobody's
real state is touched, and ports that are free here. The walk is one for all tests of this file, since it takes a while.
"""

from __future__ import annotations

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

import pytest
from tutorial_walk import KILLED, Step, Stumbled, Walk, read_steps

ROOT = Path(__file__).parents[2]
STEPS = read_steps((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"))
RECORDED = "recorded day"
CHANGED_TICKS = 87_802
"""Ticks of the recorded day whose price is not that of the tick before."""
DOORS = {"websocket": "port", "commands": "port", "data": "publish_port", "rest": "port"}
NO_INDEX = re.compile(
    r"No matching distribution|Could not find a version|Connection|NewConnectionError|timed out", re.IGNORECASE
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


NOT_OF_A_CLONE = (".git", ".venv", "__pycache__", ".*_cache", ".hypothesis")


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


def _names_of_the_clone() -> list[str]:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.CalledProcessError):
        return []
    return [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def a_copy(folder: Path, ports: list[int]) -> Path:
    """What a clone would have, with the ports of this test below each configuration."""
    project = folder / "project"
    names = _names_of_the_clone()
    for name in names:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, project / name)
    if not names:  # no clone, but what came of one
        shutil.copytree(ROOT, project, ignore=shutil.ignore_patterns(*NOT_OF_A_CLONE))
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
    assert "the risk governor refused it (max_volume): one order of the account may have 1.0 lots" in walk.said(
        "buy 5 --yes\n"
    )
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
    """Killed, it takes over what is open; halted, it goes out; with less risk it trades less; nothing stays open."""
    before, after = walk.terminal("strategy").printed.split(KILLED)
    last = re.findall(r"^(buy|sell|  closed) (?:0\.10 )?at 1\.\d+, (?:stop at|profit)", before, re.MULTILINE)[-1]
    assert after.startswith(f"open: {'nothing' if last == '  closed' else last}\n"), before + after
    halted = after[after.index("trading is halted") : after.index("trading is active")]
    assert re.search(r"^(?:buy|sell) ", halted, re.MULTILINE) is None, "nothing is opened while trading is halted"
    assert re.search(r"^(?:buy|sell) 0\.05 at ", after[after.index("trading is active") :], re.MULTILINE)
    assert '"risk_multiplier":1' in walk.said('"risk_multiplier": 1}')
    assert re.search(r"\d+ ticks, \d+ missed; balance", walk.said("stop strategy"))
    assert "no open positions" in walk.said("quantmind positions", 1)
