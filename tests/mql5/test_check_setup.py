"""The script that a trader runs first: what it says of a gateway and a terminal, and that it never trades."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from gateway_process import GatewayProcess, done, running, until, write_config
from mql5.build import build, require_gpp
from mql5.program import run
from mql5.worlds import write_risk

from quantmind.config.brokers import MockBrokerConfig, SymbolOverrides
from quantmind.testing.terminal import FakeTerminal

SCRIPT = Path(__file__).resolve().parents[2] / "mql5" / "Scripts" / "QuantMind" / "CheckSetup.mq5"
SAVED = Path("MQL5") / "Files" / "QuantMind" / "check-setup.txt"
PAPER = {"paper": {"type": "mt5_mock", "symbols": {"EURUSD": {}}}}
DEAD = {"InpPort": 2, "InpPushPort": 2, "InpRestPort": 2}


@attrs.frozen(eq=False)
class Desk:
    """A trader's terminal, and the script in it."""

    folder: Path
    terminal: FakeTerminal

    def check(self, inputs: Mapping[str, Any], **environment: str) -> Said:
        """Run it to its end; it must have ended well, traded nothing and written down all that it said."""
        settings = {"MQL_TERMINAL": str(self.folder / "terminal64.fake"), "MQL_SYMBOL": "EURUSD", **environment}
        made = build(SCRIPT)
        ended = run(made, inputs=inputs, folder=self.folder, environment=settings, timeout=60)
        assert ended.exit_code == 0, ended.errors
        assert self.terminal.executed() == []
        assert not self.terminal.account.orders()
        assert not {"order_send", "program_send"} & set(self.terminal.calls)
        said = Said(ended.lines)
        saved = (self.folder / SAVED).read_text(encoding="utf-8").splitlines()
        assert saved == [line for line in ended.lines if not line.startswith("written to ")]
        return said


class Said:
    """The lines of the script, by what they are about."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = list(lines)
        found = [re.fullmatch(r"(ok|look|FAIL|skip) +([^:]+): (.*)", line) for line in lines]
        self.states = {each[2]: each[1] for each in found if each is not None}
        self.details = {each[2]: each[3] for each in found if each is not None}
        facts = [re.fullmatch(r"fact: ([a-z0-9_]+)=(.*)", line) for line in lines]
        self.facts = {each[1]: each[2] for each in facts if each is not None}

    def that_are(self, state: str) -> set[str]:
        return {what for what, each in self.states.items() if each == state}

    def fails(self, what: str, *texts: str) -> None:
        """It is said to be wrong, with what to change."""
        assert self.states[what] == "FAIL", self.lines
        for text in texts:
            assert text in self.details[what]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    require_gpp()
    symbols = {"EURUSD": SymbolOverrides(), "USDJPY": SymbolOverrides()}
    with FakeTerminal(MockBrokerConfig(name="x", login=5, server="Demo", symbols=symbols)) as terminal:
        terminal.serve(tmp_path)
        terminal.run_walk(every_s=0.1)
        yield Desk(tmp_path, terminal)


@contextlib.contextmanager
def gateway(folder: Path, **more: Any) -> Iterator[tuple[GatewayProcess, dict[str, Any], dict[str, str]]]:
    """A gateway on a paper account, the inputs that lead to it, and tokens by their scope."""
    config = write_config(folder, PAPER, **more)
    scopes = ("ea", "bridge")
    tokens = {
        scope: done(config, "token", "add", scope, "--scope", scope, "--broker", "paper")["token"] for scope in scopes
    }
    with running(config) as made:
        wait_active(made)
        inputs = {
            "InpPort": made.port("commands"),
            "InpPushPort": made.port("publish"),
            "InpRestPort": made.port("rest"),
        }
        yield made, inputs, tokens


def wait_active(made: GatewayProcess) -> None:
    """Until each of its accounts trades."""
    until(lambda: all(each["trading"]["state"] == "active" for each in made.get("/status")["brokers"]))


def test_all_is_well(desk: Desk) -> None:
    """Nothing to mend and nothing to look at; what it finds out is told by name, and the token is not."""
    with gateway(desk.folder) as (made, inputs, tokens):
        token = tokens["ea"]
        said = desk.check({**inputs, "InpToken": token})
        assert said.that_are("ok") == set(said.states), said.lines
        assert "5 at Demo, hedging" in said.details["account"]
        assert "risk multiplier 1.0000, trading state active" in said.details["heartbeat"]
        assert "New York's close" in said.details["server clock"]
        assert "0.01 lots would be taken" in said.details["order EURUSD"]
        assert "may not read" in said.details["token"]
        assert not any(token in line for line in said.lines)
        assert said.facts["socket_send"].split(" of ")[0] == said.facts["socket_send"].split(" of ")[1]
        assert said.facts["round_trip"].endswith(" of 200")
        assert said.facts["round_trip_two_writes"].endswith(" of 200")
        assert said.facts["socket_read_timeout"].startswith("-1, ")
        assert "error 4014" in said.facts["connect_address_not_listed"]
        assert said.facts["format_ulong"] == "18446744073709551615"
        assert said.facts["array_resize_keeps_objects"] == "yes"
        assert "CheckSetup" in {each["ea_name"] for each in made.get("/eas")["items"]}


def test_symbols_by_the_names_that_the_bridge_would_use(desk: Desk) -> None:
    """Those that the terminal knows are described; of others it says what the terminal has."""
    said = desk.check({**DEAD, "InpSymbols": "USDJPY, YEN, EUR", "InpSymbolNames": "YEN=USDJPY", "InpFacts": False})
    assert said.states["symbol USDJPY"] == "ok"
    assert "here USDJPY" in said.details["symbol YEN"]
    said.fails("symbol EUR", "has no symbol EUR", "the terminal has EURUSD")
    assert "symbol EURUSD" not in said.states
    assert not said.facts.keys() & {"build", "argument_order"}


def test_a_gateway_that_does_not_run(desk: Desk) -> None:
    """It says so of each port, and asks no further there."""
    said = desk.check(DEAD)
    said.fails("command port", "start the gateway")
    said.fails("REST", "start the gateway")
    assert said.states["push port"] == "look"
    assert not said.states.keys() & {"handshake", "heartbeat", "clock"}
    assert "argument_order" in said.facts
    assert "round_trip" not in said.facts


def test_an_address_that_is_not_in_the_list(desk: Desk) -> None:
    """The code is explained by the setting, and what to enter there."""
    with gateway(desk.folder) as (_, inputs, _):
        said = desk.check(inputs, MQL_ALLOW="localhost")
        for what in ("command port", "REST"):
            said.fails(what, "4014", "Allow WebRequest for listed URL", "add the line 127.0.0.1")
        assert said.states["push port"] == "look"


@pytest.mark.parametrize("scope", ["none", "bridge"])
def test_a_token_that_will_not_do(desk: Desk, scope: str) -> None:
    """One that the gateway does not know, and that of the bridge: each with what to do."""
    with gateway(desk.folder) as (_, inputs, tokens):
        token = tokens.get(scope, "not-a-token-0123456789-0123456789")
        said = desk.check({**inputs, "InpToken": token, "InpFacts": False})
        if scope == "none":
            said.fails("heartbeat", "unauthorized", "quantmind token add")
            said.fails("token", "401", "quantmind token add")
        else:
            said.fails("heartbeat", "forbidden", "scope ea")
            assert said.states["token"] == "ok"
        assert not any(token in line for line in said.lines)


def test_an_endpoint_with_plain(desk: Desk) -> None:
    """Inside a tunnel: the token is the connection's; without PLAIN the handshake says what is missing."""
    secure = [{"host": "127.0.0.1", "port": 0, "mechanism": "plain"}]
    with gateway(desk.folder, commands={"secure": secure}, data={"secure": secure}) as (made, inputs, tokens):
        token = tokens["ea"]
        ports = {"InpPort": made.port("commands_plain"), "InpPushPort": made.port("publish_plain")}
        said = desk.check({**inputs, **ports, "InpToken": token, "InpPlain": True})
        assert said.that_are("ok") == set(said.states), said.lines
        assert said.facts["round_trip"].endswith(" of 200")
        said = desk.check({**inputs, **ports, "InpFacts": False})
        said.fails("handshake", "PLAIN")
        said = desk.check(
            {**inputs, **ports, "InpToken": "wrong-0123456789-0123456789", "InpPlain": True, "InpFacts": False}
        )
        said.fails("handshake", "refused", "token")


def test_several_brokers_need_a_name(desk: Desk) -> None:
    """Which account is meant is never guessed."""
    config = write_config(desk.folder, {**PAPER, "other": {"type": "mt5_mock", "symbols": {"EURUSD": {}}}})
    with running(config) as made:
        wait_active(made)
        inputs = {
            "InpPort": made.port("commands"),
            "InpRestPort": made.port("rest"),
            "InpPushPort": 0,
            "InpFacts": False,
        }
        desk.check(inputs).fails("heartbeat", "broker_required", "the input Broker")
        assert desk.check({**inputs, "InpBroker": "other"}).states["heartbeat"] == "ok"


def test_algo_trading_is_off(desk: Desk) -> None:
    """The button is named, and the order that would be refused."""
    desk.terminal.faults.autotrading_off = True
    said = desk.check({**DEAD, "InpFacts": False})
    said.fails("Algo Trading", "press the button Algo Trading")
    assert said.states["this program"] in ("ok", "look")


def test_a_program_without_permission(desk: Desk) -> None:
    """The button is on, and the program's own box is not ticked."""
    said = desk.check({**DEAD, "InpFacts": False}, MQL_TRADE_ALLOWED="0")
    assert said.states["Algo Trading"] == "ok"
    said.fails("this program", "Allow Algo Trading")


def test_an_investor_password_and_a_broker_without_programs(desk: Desk) -> None:
    """Both are the account's, not the terminal's."""
    desk.terminal.faults.read_only = True
    desk.terminal.faults.server_autotrading_off = True
    said = desk.check({**DEAD, "InpFacts": False})
    said.fails("trading", "investor password")
    said.fails("programs", "ask the broker")


def test_a_terminal_without_its_server(desk: Desk) -> None:
    """Nothing of it ends the script."""
    desk.terminal.faults.disconnected = True
    said = desk.check({**DEAD, "InpFacts": False})
    said.fails("connection", "no connection to the trade server")


def test_a_server_clock_that_no_rule_has(desk: Desk) -> None:
    """Half past is a zone without a rule; some minutes are a wrong clock."""
    desk.terminal.offset_s = 19800
    assert "neither" in desk.check({**DEAD, "InpFacts": False}).details["server clock"]
    desk.terminal.offset_s = 7200 + 400
    said = desk.check({**DEAD, "InpFacts": False})
    assert said.states["server clock"] == "look"
    assert "away from a whole half hour" in said.details["server clock"]


def test_something_else_listens_there(desk: Desk) -> None:
    """The REST port is no port for commands: the handshake says so."""
    with gateway(desk.folder) as (_, inputs, _):
        said = desk.check({**inputs, "InpPort": inputs["InpRestPort"], "InpRestPort": inputs["InpPort"]})
        said.fails("handshake", "ZMTP")
        assert said.states["heartbeat"] == "FAIL"
        assert said.states["REST"] == "FAIL"


@pytest.mark.parametrize(
    ("switch", "fact", "says"),
    [
        ("MQL_SOCKET_READ_FULL", "socket_read_too_much", r"after [3-9]\d\d ms of 300"),
        ("MQL_SOCKET_TIMEOUT_ERROR", "socket_read_timeout", "error 5273"),
        ("MQL_SOCKET_ALWAYS_ONE", "socket_readable_drained", "1 then 1"),
        ("MQL_SOCKET_SHORT_SEND", "socket_send", "^7 of "),
        ("MQL_SOCKET_ONE_BYTE_READS", "socket_read_5_into_0", "^1, error 0"),
    ],
)
def test_what_the_reference_leaves_open_is_found_out(desk: Desk, switch: str, fact: str, says: str) -> None:
    """However a terminal reads its own Reference, the script works there and tells which way it is."""
    with gateway(desk.folder) as (_, inputs, _):
        usual = desk.check(inputs)
        odd = desk.check(inputs, **{switch: "1"})
        assert re.search(says, odd.facts[fact])
        assert not re.search(says, usual.facts[fact])
        assert odd.that_are("ok") == set(odd.states), odd.lines
        assert odd.facts["round_trip"].endswith(" of 200")


def test_floors_and_a_halt(desk: Desk) -> None:
    """What the gateway tells an EA of its account is told the trader."""
    rules = {"initial_capital": 10_000, "rules": {"max_loss": {"percent": 10}}}
    with gateway(desk.folder) as (_, inputs, _):
        assert "no floor" in desk.check({**inputs, "InpFacts": False}).details["heartbeat"]
    write_risk(desk.folder / "brokers.yaml", {"accounts": {"paper": rules}})
    with running(desk.folder / "brokers.yaml") as made:
        inputs = {**DEAD, "InpPort": made.port("commands"), "InpFacts": False}
        said = until(lambda: heard(desk, inputs, "trading state active, floor 9000.00"))
        assert said.states["heartbeat"] == "ok"
        halt = {"state": "halted", "broker": None, "flatten": False, "reason": "for a test"}
        status, reply = made.post("/risk/state", halt)
        assert status == 200, reply
        said = until(lambda: heard(desk, inputs, "trading state halted"))
        assert said.states["heartbeat"] == "look"


def heard(desk: Desk, inputs: Mapping[str, Any], text: str) -> Said | None:
    """What it says, if the heartbeat's line has this."""
    said = desk.check(inputs)
    return said if text in said.details["heartbeat"] else None


@pytest.mark.parametrize(
    ("fault", "what", "says"),
    [
        ("logged_out", "account", "nobody is logged in"),
        ("no_data", "account", "nobody is logged in"),
        ("market_closed", "order EURUSD", "the market is closed"),
        ("invalid_fill", "order EURUSD", "filling mode"),
    ],
)
def test_a_terminal_that_answers_little(desk: Desk, fault: str, what: str, says: str) -> None:
    """Nothing ends the script, and it says what is the matter."""
    setattr(desk.terminal.faults, fault, True)
    said = desk.check(DEAD)
    assert said.states[what] in ("FAIL", "look"), said.lines
    assert says in said.details[what]
    assert said.lines[-3].startswith("done: ")


def test_a_symbol_without_a_price(tmp_path: Path) -> None:
    """As at a weekend after the terminal's start."""
    require_gpp()
    with FakeTerminal(MockBrokerConfig(name="x", login=5, symbols={"EURUSD.m": SymbolOverrides()})) as terminal:
        terminal.serve(tmp_path)
        said = Desk(tmp_path, terminal).check({**DEAD, "InpFacts": False}, MQL_SYMBOL="EURUSD.m")
        assert said.states["ticks EURUSD.m"] == "look"
        assert "order EURUSD.m" not in said.states
        said = Desk(tmp_path, terminal).check(
            {**DEAD, "InpSymbolSuffix": ".m", "InpFacts": False}, MQL_SYMBOL="EURUSD.m"
        )
        assert "here EURUSD.m" in said.details["symbol EURUSD"]
