"""`quantmind replay`: what it judges, counts, prints and ends with."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from unit.adapters.journal.random_journal import Past
from unit.domain.test_judge import decide
from unit.domain.test_replay import BOOK, DAILY, STOP, WALL, of
from unit.domain.test_replay import at as at_utc

from quantmind.cli import main, replay_report
from quantmind.domain.orders import Open, Origin, Side
from quantmind.domain.risk import Approved, Denied, Reason, Situation, Terms
from quantmind.domain.risk.policy import Rules
from quantmind.domain.risk.resets import Reset
from quantmind.errors import EXIT_REFUSED, EXIT_UNAVAILABLE, EXIT_USAGE
from quantmind.records import Decision
from quantmind.wire import replies
from quantmind.wire.commands import Envelope, Trade

OLD = Path(__file__).parent / "recorded" / "decisions_of_the_first_version.jsonl"
Run = Callable[..., tuple[int, str]]


PRAGUE = Reset(0, "Europe/Prague")
DAY = PRAGUE.last(WALL)
THERE = attrs.evolve(BOOK, day=DAY, baseline=attrs.evolve(BOOK.baseline, day=DAY))


def at(**more: Any) -> Situation:
    """The account of a firm whose day ends in Prague."""
    policy = attrs.evolve(more.pop("policy", of(Rules())), reset=PRAGUE)
    return at_utc(**{"book": THERE, "policy": policy, **more})


def decision(volume: str, there: Situation, ea: str = "alpha", sl: Decimal | None = STOP, **more: Any) -> Decision:
    """A decision as the governor records it."""
    proposal = Open(Origin(ea, 7), "demo", "EURUSD", Decimal(volume), Side.BUY, sl=sl)
    verdict = decide(proposal, there)
    command = Trade(
        envelope=Envelope(ea_name=ea),
        kind="trade_open",
        magic=7,
        execute=False,
        symbol="EURUSD",
        volume=proposal.volume,
        side=Side.BUY,
        sl=sl,
    )
    given: dict[str, Any] = {
        "approved": isinstance(verdict, Approved),
        "body": command.body(),
        "reply": replies.stored(replies.verdict(verdict)),
        "inputs": there,
    }
    return Decision(
        "d",
        "demo",
        ea,
        7,
        "EURUSD",
        None,
        "f",
        at=0.0,
        via="zmq",
        by="robot",
        remembered=False,
        **{**given, **more},
    )


OVERTAKEN = replies.stored(
    replies.verdict(
        Denied(
            Open(Origin("alpha", 7), "demo", "EURUSD", Decimal(1), Side.BUY),
            Terms(Decimal(1), Decimal(0), (Reason("trading_state", "trading is halted since then (by hand)"),)),
        )
    )
)
WEEK = [
    decision("0.5", at()),
    decision("2", at()),
    decision("2.5", at(), ea="beta"),
    decision("0.5", at(), sl=None),
    decision("0.7", at(book=None)),
    decision("0.3", at(policy=of(Rules(), max_volume=Decimal("0.1")))),
    decision("1", at(), inputs=None),
    decision("1", at(), approved=False, reply=OVERTAKEN),
]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Replays decisions; the exit code and what was printed, the journal's name shortened."""

    def run(decisions: list[Decision], *arguments: str) -> tuple[int, str]:
        past = Past(tmp_path / "journal.sqlite3")
        past.live([[each] for each in decisions])
        code = main(["replay", "--journal", str(past.path), *arguments])
        captured = capsys.readouterr()
        return code, captured.out.replace(str(tmp_path) + "/", "") + captured.err

    return run


SAME = """\
journal   journal.sqlite3
judged    6 decisions: 5 approved, 1 refused
from      {first} to {last}
not       1 decision can't be judged: their inputs were not recorded
          (an earlier version, or they came through the emergency file)
not       1 decision came out approved, and the record has a refusal on the
          way to the broker (a halt, a mandate or a restart came in between)
verdict   every decision that was judged came out as it was recorded
"""


def times(text: str) -> dict[str, str]:
    """The two that stand in a report."""
    (line,) = [line for line in text.splitlines() if line.startswith("from")]
    first, _, last = line.split()[1:]
    return {"first": first, "last": last}


def test_its_own_policy(run: Run) -> None:
    """All is the same; what can't be judged is counted and said."""
    code, out = run(WEEK)
    assert code == 0
    assert out == SAME.format(**times(out))


def test_a_difference_is_shown(run: Run) -> None:
    """With what was and what is; the exit code says so."""
    wrong = attrs.evolve(decision("0.5", at()), approved=False)
    worse = decision("0.5", at(), reply={"approved": True, "approved_volume": Decimal("0.4"), "reasons": []})
    code, out = run([WEEK[0], wrong, worse])
    assert code == EXIT_REFUSED
    told = [line.strip() for line in out.splitlines()]
    assert told[0].startswith("DIFFERENT 3  ")
    assert told[1] == "approved was no, is yes"
    assert told[2].startswith("DIFFERENT 4  ")
    assert told[3:6] == [
        "approved_volume was 0.4, is 0.5",
        "max_volume was -, is 100.00",
        "risk_multiplier was -, is 1",
    ]
    assert told[-1] == "verdict   2 decisions came out DIFFERENT"
    assert json.loads(run([], "--json")[1])["different"] == 2


SUMMARY = """\
refused   3 decisions would be refused (5 lots were approved, 0 would be)
                3  by daily_loss
                2  by max_loss
                2  of alpha
                1  of beta
same      2 decisions would be the same (0.5 lots)
untold    1 decision, of which the record lacks what a rule looks at
                1  daily_loss: what the account had when the day began
note      each decision was judged by itself, with the account as it was then: after the first one that is
          different it would have been another account, with other orders to come
"""


def test_another_policy(run: Run) -> None:
    """What would have been refused, by which rule and of whom; what the record can't tell stands apart."""
    code, out = run(WEEK, "--policy", "ftmo-2step")
    assert code == 0
    assert SUMMARY in out, out
    assert [line.split()[0] for line in out.splitlines() if line[0] != " "][:3] == ["refused"] * 3
    assert "daily_loss: with every stop hit 2 lots with their stop would leave 9000.00" in out


def test_another_policy_in_json(run: Run) -> None:
    """The same for programs."""
    code, out = run(WEEK, "--policy", "ftmo-2step", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["changes"]["refused"] == {
        "count": 3,
        "by_rule": {"daily_loss": 3, "max_loss": 2},
        "by_ea": {"alpha": 2, "beta": 1},
        "lots_was": 5.0,
        "lots_now": 0,
    }
    assert found["changes"]["untold"]["count"] == 1
    assert found["lacking"] == {"daily_loss: what the account had when the day began": 1}
    assert [item["change"] for item in found["items"]] == ["refused"] * 3
    assert (found["without_inputs"], found["overtaken"]) == (1, 1)
    whole = json.loads(run([], "--policy", "ftmo-2step", "--json", "--all")[1])
    assert [item["change"] for item in whole["items"]].count("same") == 2


def test_what_another_policy_allows(run: Run, tmp_path: Path) -> None:
    """An order that its own had refused."""
    refused = decision("0.5", at(policy=of(Rules(stop_required=True))), sl=None)
    config = tmp_path / "brokers.yaml"
    account = {"initial_capital": 10000, "reset": {"time": "00:00", "zone": "Europe/Prague"}}
    broker = {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "random_walk", "seed": 1}}
    config.write_text(json.dumps({"brokers": {"demo": broker}, "risk": {"accounts": {"demo": account}}}))
    code, out = run([refused], "--policy", str(config))
    assert code == 0
    assert out.splitlines()[1] == "          was refused by stop_required"
    assert "allowed   1 decision would be allowed (0 lots were approved, 0.5 would be)" in out


def test_a_policy_of_a_configuration(run: Run, tmp_path: Path) -> None:
    """Of the account that is named, of each its own, or of the configuration that is given."""
    config = tmp_path / "brokers.yaml"
    account = {"max_volume": 1.0, "rules": {"stop_required": True}}
    broker = {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "random_walk", "seed": 1}}
    brokers = {"demo": broker, "other": broker}
    config.write_text(json.dumps({"brokers": brokers, "risk": {"accounts": {"demo": account}}}))
    ways = [
        ("--policy", str(config)),
        ("--policy", f"{config}:demo"),
        ("--policy", "config", "--config", str(config), "--broker", "demo"),
    ]
    for way in ways:
        code, out = run(WEEK, *way)
        assert code == 0, out
        assert "refused   3 decisions would be refused (5 lots were approved, 0 would be)" in out
        assert "2  by max_volume" in out
        assert "1  by stop_required" in out
        assert "allowed   1 decision would be allowed (0 lots were approved, 0.3 would be)" in out
        (tmp_path / "journal.sqlite3").unlink()
    code, out = run(WEEK, "--policy", f"{config}:other")
    assert "stop_required" not in out
    code, out = run([], "--policy", f"{config}:nobody")
    assert (code, "has no broker 'nobody'; there are demo, other" in out) == (EXIT_USAGE, True)


def test_wrong_usage(run: Run) -> None:
    """A policy that is none, and a capital for nothing."""
    code, out = run(WEEK, "--policy", "ftmo")
    assert (code, "there is no preset 'ftmo', and it is not FILE.yaml" in out) == (EXIT_USAGE, True)
    assert run([], "--capital", "10000")[0] == EXIT_USAGE
    assert run([], "--policy", "nowhere.yaml:demo")[0] == EXIT_USAGE


def test_a_week_of_looking_on(run: Run) -> None:
    """A policy that is only observed tells what it would have refused, by rule and by EA."""
    policy = of(DAILY, observe_only=True)
    observed = [
        decision("0.5", at(policy=policy)),
        decision("2", at(policy=policy)),
        decision("3", at(policy=policy), ea="beta"),
        decision("0.5", at(policy=policy), sl=None),
    ]
    code, out = run(observed)
    assert code == 0, out
    assert out.splitlines()[3:] == [
        "observed  4 decisions under a policy that only looked on",
        "refused   3 decisions would be refused (5.5 lots were approved, 0 would be)",
        "                3  by daily_loss",
        "                2  of alpha",
        "                1  of beta",
        "same      1 decision would be the same (0.5 lots)",
        "verdict   every decision that was judged came out as it was recorded",
    ]
    found = json.loads(run([], "--json")[1])
    assert found["observed"]["decisions"] == 4
    assert found["observed"]["changes"]["refused"]["by_rule"] == {"daily_loss": 3}


# --- what is read --------------------------------------------------------------------------------------------------


def test_decisions_of_the_first_version(capsys: pytest.CaptureFixture[str]) -> None:
    """They have less; it has its defaults, and the verdict is the same."""
    assert main(["replay", "--journal", str(OLD), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["judged"], found["different"], found["without_inputs"]) == (3, 0, 0)
    assert main(["replay", "--journal", str(OLD), "--policy", "ftmo-2step", "--capital", "1000000", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["changes"]["untold"]["count"] == 1
    assert set(found["lacking"]) == {
        "daily_loss: what an earlier version did not write down",
        "max_loss: what an earlier version did not write down",
    }


def test_exports_read_like_the_journal(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In JSON lines and packed; each decision counts once however often it is in there."""
    code, out = run(WEEK)
    export = tmp_path / "log.jsonl"
    assert main(["journal", "export", str(export), "--file", str(tmp_path / "journal.sqlite3")]) == 0
    capsys.readouterr()
    packed = tmp_path / "log.jsonl.gz"
    packed.write_bytes(gzip.compress(export.read_bytes() * 2))
    for file in (export, packed):
        assert main(["replay", "--journal", str(file)]) == code
        told = capsys.readouterr().out.replace(str(file), "journal.sqlite3")
        assert told.replace("not       8 lines of decisions that had been judged already\n", "") == out
    packed.write_bytes(packed.read_bytes()[:-40])
    assert main(["replay", "--journal", str(packed)]) == EXIT_UNAVAILABLE
    assert "can't be read to its end" in capsys.readouterr().err


def test_a_line_that_can_not_be_read_is_named(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By its number; the others are judged all the same."""
    broken = attrs.evolve(WEEK[0], inputs={"now": "noon"})
    code, out = run([WEEK[0], broken, WEEK[1]])
    assert code == EXIT_REFUSED
    assert "ERROR     line 3 can't be judged: " in out
    assert "judged    2 decisions" in out
    export = tmp_path / "log.jsonl"
    main(["journal", "export", str(export), "--file", str(tmp_path / "journal.sqlite3"), "--kinds", "decision"])
    export.write_bytes(export.read_bytes() + b'{"seq": 9}\n')
    capsys.readouterr()
    assert main(["replay", "--journal", str(export), "--json"]) == EXIT_REFUSED
    errors = json.loads(capsys.readouterr().out)["errors"]
    assert [each.partition(":")[0] for each in errors] == ["line 3 can't be judged", "line 4 of the file"]


def test_only_some(run: Run) -> None:
    """Of an account, and of a time."""
    assert json.loads(run(WEEK, "--broker", "other", "--json")[1])["judged"] == 0
    whole = json.loads(run([], "--json")[1])
    first, last = whole["first"]["time"], whole["last"]["time"]
    assert json.loads(run([], "--since", "2090-01-01T00:00:00Z", "--json")[1])["judged"] == 0
    assert json.loads(run([], "--until", first, "--json")[1])["judged"] == 0
    assert json.loads(run([], "--since", first, "--until", "2090-01-01T00:00:00Z", "--json")[1])["judged"] == 6
    assert first <= last


def test_no_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing there, and something else."""
    assert main(["replay", "--journal", str(tmp_path / "none")]) == EXIT_UNAVAILABLE
    other = tmp_path / "other"
    other.write_text("seq,time\n")
    assert main(["replay", "--journal", str(other)]) == EXIT_UNAVAILABLE
    assert "no journal, and no export of one" in capsys.readouterr().err


def test_a_long_list_is_cut(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless all are asked for."""
    monkeypatch.setattr(replay_report, "SHOWN", 2)
    wrong = attrs.evolve(WEEK[0], approved=False)
    assert run([wrong] * 5)[1].count("DIFFERENT ") == 2
    assert run([], "--all")[1].count("DIFFERENT ") == 5


def test_nothing_that_others_wrote_is_obeyed(run: Run) -> None:
    """A name or a reason may hold anything; a terminal only shows it."""
    evil = attrs.evolve(decision("0.5", at(), ea="\x1b[2J"), approved=False)
    _, out = run([evil])
    assert "\x1b" not in out
