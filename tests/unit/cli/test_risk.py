"""The page of `quantmind risk`, and what halting by hand does when the gateway is busy, silent or not done in time."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from quantmind.cli import halting
from quantmind.cli.risk import page as page_of
from quantmind.cli.risk import span
from quantmind.client.rest import OutcomeUnknown, Refused, Unreachable

risk_module = importlib.import_module("quantmind.cli.risk")  # the package has its function by that name
GOLDEN = Path(__file__).parents[2] / "protocol" / "rest" / "golden" / "risk.json"
SINCE = "2026-11-23T09:00:00.123Z"


def account(**changes: Any) -> dict[str, Any]:
    """An account as the gateway shows it."""
    (case,) = [
        case
        for case in json.loads(GOLDEN.read_text(encoding="utf-8"), parse_float=Decimal)
        if case["name"] == "how an account stands"
    ]
    return {**case["response"]["body"]["items"][0], **changes}


def page(**changes: Any) -> str:
    return page_of(account(**changes), zone=dt.timezone(dt.timedelta(hours=-5), "EST"))


def test_the_page_of_an_account() -> None:
    """State, limits, floors, the worst case, the room and whose it is, the reset on both clocks, goals."""
    assert page().splitlines() == [
        "demo      active",
        "limits    ftmo-2step, initial capital 10000, on a breach: halt",
        "account   balance 10000.00, equity 9990.00 USD",
        "day       began 2026-11-22 18:00 EST with balance 10050, equity 10050 (seen at the reset); made -60.00 since",
        "reset     in 14 h 00 min, at 00:00 Europe/Prague, here 2026-11-23 18:00 EST",
        "          rule        measure    value    floor    room     used  next floor  state",
        "          daily_loss  equity   9990.00  9550.00  440.00  12.00 %     9500.00  ok",
        "          max_loss    equity   9990.00  9000.00  990.00   1.00 %     9000.00  ok",
        "worst     equity 9990.00 with every stop hit, 9990.00 over a reset",
        "room      440.00 USD (4.40 % of equity); daily_loss binds",
        "          in lots, with a stop 0.5 % away: EURUSD 0.81",
        "throttle  multiplier 1",
        "target    10 %: a balance of 11000.00",
        "days      2 of 4 trading days",
        "best day  80.00 % of all profit, at most 50 %",
        "today     3 positions opened",
    ]


def test_what_holds_an_account_and_what_is_closed() -> None:
    """Every cause with its rule, and nothing in it that a terminal would obey."""
    holds = [
        {"rule": "operator", "state": "reduce_only", "cause": "lunch (by me)", "since": SINCE},
        {"rule": "daily_loss", "state": "halted", "cause": "below\x1b[2J", "since": SINCE},
    ]
    trading = {"broker": "demo", "state": "halted", "cause": "below\x1b[2J", "since": SINCE, "holds": holds}
    flattening = [
        {"cause": "enough", "since": SINCE, "magic": None, "positions": True, "orders": True},
        {"cause": "EA a is silent", "since": SINCE, "magic": 7, "positions": False, "orders": True},
    ]
    held = "          held by"
    assert page(trading=trading, flattening=flattening).splitlines()[:5] == [
        "demo      HALTED: below?[2J",
        f"{held} operator at reduce_only, since 2026-11-23 04:00 EST: lunch (by me); ends by `quantmind release`",
        f"{held} daily_loss at halted, since 2026-11-23 04:00 EST: below?[2J; ends at a reset whose floor holds",
        "          being flattened: everything, since 2026-11-23 04:00 EST: enough",
        "          being flattened: magic 7, orders alone, since 2026-11-23 04:00 EST: EA a is silent",
    ]


def test_what_the_next_reset_would_do_is_said() -> None:
    """Where it breaks a floor, loudly; where it binds, with the room."""
    daily, overall = account()["floors"]
    text = page(
        floors=[{**daily, "broken_by_reset": True}, {**overall, "broken": True}],
        room={**account()["room"], "binds_from": "reset"},
    )
    assert "THE RESET BREAKS daily_loss if nothing changes" in text
    assert "broken at reset" in text
    assert "BROKEN" in text
    assert "daily_loss binds from the next reset on" in text


def test_what_is_not_known_is_said_with_the_way_out() -> None:
    """An unknown day, a position without a stop, an account that was not read."""
    nothing = dict.fromkeys(("money", "percent_of_equity", "binds", "binds_from", "lots"))
    day = {**account()["day"], **dict.fromkeys(("balance", "equity", "known_by", "made"))}
    text = page(lacks="what the account had when the day began", room=nothing, day=day)
    assert "missing   what the account had when the day began; until it is known nothing" in text
    assert "quantmind risk baseline --broker demo --balance" in text
    assert "\nroom" not in text
    worst = {"equity": None, "equity_at_reset": None, "promised": Decimal(0), "unknown": ["ticket 7 has no stop"]}
    assert "worst     not known: ticket 7 has no stop; set a stop" in page(worst_case=worst, room=nothing)
    unread = {name: account()[name] for name in ("broker", "trading", "flattening")} | {"at": None}
    assert "has not been read yet" in page_of(unread)
    assert "no floor is set for this account" in page(floors=[], room=nothing, lacks=None)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (90_000, "25 h 00 min")]
)
def test_spans(seconds: int, words: str) -> None:
    """In the units that matter."""
    assert span(seconds) == words


# --- halting by hand -------------------------------------------------------------------------------------------------


class Books:
    """A gateway whose account lacks what its day began with."""

    def __init__(self) -> None:
        self.taken: list[Decimal] = []

    def risk(self, broker: str | None) -> list[dict[str, Any]]:
        return [{"broker": "demo", "balance": Decimal(10050), "lacks": "what the account had when the day began"}]

    def supply_baseline(self, balance: Decimal, reason: str, **more: Any) -> dict[str, Any]:
        self.taken.append(balance)
        return {"broker": "demo", "missing": None, "day": {"balance": Decimal(10050)}}


@pytest.mark.parametrize(
    ("balance", "yes", "code"),
    [("10050", False, 0), ("9500", False, 0), ("5", False, 2), ("100500", False, 2), ("5", True, 0)],
)
def test_a_balance_that_looks_like_a_slip_is_asked_about(
    balance: str, yes: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is taken once: a digit too many would be a floor that the account is below of, and a halt until the reset."""
    books = Books()
    monkeypatch.setattr(risk_module, "ask_gateway", lambda _, options, work: work(books, options))
    monkeypatch.setattr("sys.stdin", None)
    more = {"equity": None, "highest_balance": None, "highest_equity": None, "stop_percent": None, "broker": None}
    options = argparse.Namespace(
        what="baseline", balance=Decimal(balance), reason="the firm's page", yes=yes, json=False, **more
    )

    assert risk_module.risk(None, options) == code  # type: ignore[arg-type]
    assert books.taken == ([Decimal(balance)] if code == 0 else [])
    told = capsys.readouterr()
    assert ("add --yes" in told.err) is (code == 2)
    assert told.out == ("" if code else "taken: the day of demo began with 10050; nothing is missing any more\n")


@pytest.mark.parametrize(
    ("lacks", "way"),
    [
        ("what the account had when the day began", "--balance … --reason …`, or wait for the next reset"),
        ("what equity the account had when the day began", "--balance … --equity … --reason …`, or wait"),
        ("the highest balance that the account has had at a reset", "--balance … --highest-balance … --reason …`"),
        ("the highest equity that the account has had", "--balance … --highest-equity … --reason …`"),
    ],
)
def test_what_is_missing_is_asked_for_by_its_option(lacks: str, way: str) -> None:
    """What is the highest ever no reset to come can tell, so there it is no way out to wait."""
    (line,) = [line for line in page(lacks=lacks).splitlines() if line.startswith("missing")]

    assert way in line
    assert ("wait for" in line) is ("highest" not in lacks)


@attrs.define(eq=False)
class Gateway:
    """What a client is answered; each entry of `replies` once."""

    replies: list[Any] = attrs.field(factory=list)
    open: list[int] = attrs.field(factory=lambda: [0])
    """How many positions there are, look by look; the last stays."""
    wanted: list[bool] = attrs.field(factory=lambda: [False])
    asked: list[tuple[Any, ...]] = attrs.field(factory=list)

    def set_state(self, state: str, reason: str, *, broker: str | None, flatten: bool) -> list[dict[str, Any]]:
        self.asked.append((state, reason, broker, flatten))
        reply = self.replies.pop(0) if self.replies else None
        if isinstance(reply, Exception):
            raise reply
        return [{"broker": "demo", "state": state, "cause": f"{reason} (by me)", "since": SINCE, "holds": []}]

    def get(self, path: str, **_: Any) -> dict[str, Any]:
        assert path == "/status"
        return {"brokers": [{"broker": "demo"}]}

    def items(self, path: str, broker: str) -> Any:
        count = self.open.pop(0) if len(self.open) > 1 else self.open[0]
        return iter([{}] * (count if path == "/positions" else 0))

    def risk(self, broker: str) -> list[dict[str, Any]]:
        wanted = self.wanted.pop(0) if len(self.wanted) > 1 else self.wanted[0]
        return [{"flattening": [{"magic": None}] if wanted else []}]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """Run a subcommand before a gateway; the clock runs only when it waits."""
    now = [0.0]
    monkeypatch.setattr(halting.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(halting.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    state_dir = argparse.Namespace(state_dir=tmp_path)

    def run(gateway: Gateway, command: str, **options: Any) -> int:
        monkeypatch.setattr(halting, "ask_gateway", lambda _, options, work: work(gateway, options))
        given = {"reason": None, "broker": None, "json": False, "yes": True, "within": 10.0, **options}
        return halting.set_state(
            argparse.Namespace(gateway=state_dir),  # type: ignore[arg-type]
            argparse.Namespace(command=command, **given),
        )

    return run


def test_a_halt_in_a_hurry(say: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """Without a reason it is by hand, and a busy gateway is asked again."""
    busy = Refused(429, {"code": "busy", "detail": "wait"})
    gateway = Gateway([busy, busy])
    assert say(gateway, "halt") == 0
    assert gateway.asked == [("halted", "by hand", None, False)] * 3
    assert capsys.readouterr().out == "demo is halted: by hand (by me)\n"
    with pytest.raises(Refused):
        say(Gateway([busy] * 9), "halt")


def test_no_reason_holds_up_a_halt(say: Callable[..., int]) -> None:
    """The gateway takes 200 characters that can be printed; who is in a hurry pastes whatever it is."""
    gateway = Gateway()
    assert say(gateway, "halt", reason="bad\x1b[2J" + "x" * 300) == 0
    assert gateway.asked == [("halted", "bad?[2J" + "x" * 193, None, False)]


def test_a_release_needs_a_reason(say: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """And names what still holds where it is refused."""
    assert say(Gateway(), "release") == 2
    assert say(Gateway(), "release", reason="  ") == 2
    assert say(Gateway(), "release", reason="go on") == 0
    holds = [{"rule": "max_loss", "state": "halted", "cause": "below the floor", "since": SINCE}]
    problem = {
        "code": "cause_stands",
        "detail": "demo can't be released",
        "states": [{"broker": "demo", "holds": holds}],
    }
    capsys.readouterr()
    assert say(Gateway([Refused(409, problem)]), "release", reason="go on") == 1
    assert capsys.readouterr().err.splitlines() == [
        "quantmind: demo can't be released",
        "  demo: max_loss at halted: below the floor",
    ]
    problem["states"].append({"broker": "other", "holds": []})  # type: ignore[attr-defined]
    assert say(Gateway([Refused(409, problem)]), "release", reason="go on") == 1
    assert "name the others, one by one, with --broker" in capsys.readouterr().err


def test_nobody_there_or_no_answer(say: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Nobody there: a file halts it when it runs. No answer: it is safe to say it again."""
    assert say(Gateway([Unreachable("no gateway answers")]), "halt") == 69
    assert f"the file {tmp_path / 'STOP'} has a gateway halted" in capsys.readouterr().err
    assert say(Gateway([OutcomeUnknown("it was cut", "k")]), "reduce-only", json=True) == 75
    told = json.loads(capsys.readouterr().out)
    assert (told["code"], "that is safe" in told["detail"]) == ("unknown", True)


def test_a_flattening_is_followed_until_flat(say: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """What is left is said when it changes; it is over when nothing is left and nothing is wanted any more."""
    gateway = Gateway(open=[2, 0, 2, 0, 1, 0, 0], wanted=[True, True, True, True, False])
    assert say(gateway, "flatten") == 0
    assert gateway.asked == [("halted", "by hand", None, True)]
    assert capsys.readouterr().out.splitlines() == [
        "demo is halted: by hand (by me)",
        "demo: 2 positions, 0 orders",
        "demo: 1 position, 0 orders",
        "demo: nothing open",
        "flat: demo; halted until `quantmind release`",
    ]


def test_a_flattening_that_takes_too_long_is_not_done(
    say: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes on; the exit code says that it is not flat."""
    assert say(Gateway(open=[1, 0] * 40, wanted=[True]), "flatten", within=3.0) == 75
    assert "not flat after 3 s: demo: 1 position, 0 orders; the gateway goes on" in capsys.readouterr().err
    assert say(Gateway(open=[1, 0] * 40, wanted=[True]), "flatten", within=0.0, json=True) == 75
    told = json.loads(capsys.readouterr().out)
    assert (told["code"], told["left"]) == ("not_flat", {"demo": {"positions": 1}})


@pytest.mark.parametrize("gone", [Unreachable("no gateway answers"), Refused(503, {"code": "busy", "detail": "wait"})])
def test_a_gateway_that_goes_away_while_it_flattens(
    gone: Exception, say: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was set, and goes on with it when it runs again: nobody is told that nothing was done."""

    def away(*_: Any) -> Any:
        raise gone

    monkeypatch.setattr(Gateway, "risk", away)
    assert say(Gateway(open=[1, 0] * 9), "flatten") == 75
    told = capsys.readouterr().err
    assert "nothing was set" not in told
    assert "it is set, and the gateway goes on with it as long as it runs" in told


def test_a_flattening_that_somebody_ended_is_not_done(
    say: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """A release takes it back; what is open then stays, and that is said at once."""
    assert say(Gateway(open=[1, 0] * 40, wanted=[False]), "flatten") == 75
    assert "it was ended before the account was flat: demo: 1 position" in capsys.readouterr().err


def test_an_account_that_cannot_be_read_is_not_flat(
    say: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not to see anything open is not to see that nothing is."""

    def unread(*_: Any, **__: Any) -> Any:
        raise Refused(503, {"code": "no_account", "detail": "not yet"})

    monkeypatch.setattr(Gateway, "items", unread)
    assert say(Gateway(wanted=[True]), "flatten", within=1.0) == 75
    assert "it can't be read what is open" in capsys.readouterr().err


def test_whoever_waits_may_leave(
    say: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends the waiting, and nothing else."""

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(halting.time, "sleep", interrupted)
    assert say(Gateway(open=[1, 0] * 9, wanted=[True]), "flatten") == 75
    assert "the gateway goes on until nothing is left" in capsys.readouterr().err
