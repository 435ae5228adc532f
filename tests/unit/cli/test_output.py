"""What subcommands do when nobody reads what they say, and the trading ones when they are interrupted."""

from __future__ import annotations

import argparse
import io
from typing import Any

import pytest

from quantmind.cli import record
from quantmind.cli.output import leave_stdout
from quantmind.cli.trading import _close_all, _send
from quantmind.client.rest import Refused
from quantmind.errors import EXIT_REFUSED, EXIT_UNAVAILABLE, EXIT_UNKNOWN


class Full(io.StringIO):
    """An output whose disk is full, or whose reader has gone."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    def fileno(self) -> int:
        raise AssertionError("replaced by `forget`")


class FakeRest:
    """A gateway with three positions, which closes each but for what it is told to raise."""

    def __init__(self, raises: dict[int, BaseException] | None = None) -> None:
        self.raises = raises or {}
        self.closed: list[int] = []

    def get(self, path: str, **_: Any) -> Any:
        assert path == "/status"
        return {"brokers": [{"broker": "demo"}]}

    def items(self, path: str, **_: Any) -> list[dict[str, Any]]:
        assert path == "/positions"
        return [{"ticket": ticket, "broker": "demo", "symbol": "EURUSD"} for ticket in (7, 8, 9)]

    def send(self, method: str, path: str, body: Any = None, *, key: str) -> dict[str, Any]:
        assert (method, body, key[:5]) == ("POST", None, "mine-")
        ticket = int(path.split("/")[4])
        if ticket in self.raises:
            raise self.raises[ticket]
        self.closed.append(ticket)
        return {"volume": "0.10", "price": "1.08", "profit": "1.00", "ticket": ticket}


class TwoAccounts(FakeRest):
    """One account with three positions in EURUSD, and one that can't be asked, or has its own symbols."""

    def __init__(self, other: Refused) -> None:
        super().__init__()
        self.other = other

    def get(self, path: str, **_: Any) -> Any:
        return {"brokers": [{"broker": "sick"}, {"broker": "demo"}]}

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        if query["broker"] == "sick":
            raise self.other
        if query["symbol"] not in (None, "EURUSD"):
            raise Refused(404, {"code": "unknown_symbol", "detail": f"no symbol {query['symbol']}"})
        return super().items(path)


SICK = Refused(503, {"code": "no_account", "detail": "sick has not reported its account yet", "broker": "sick"})
OTHER = Refused(404, {"code": "unknown_symbol", "detail": "sick has no symbol EURUSD"})


def given(**more: Any) -> argparse.Namespace:
    options = {"broker": None, "symbol": None, "yes": True, "json": False, "key": "mine", "ticket": None}
    return argparse.Namespace(**{**options, **more})


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device")])
@pytest.mark.parametrize("as_json", [False, True])
def test_all_are_closed_though_nobody_reads(error, as_json, monkeypatch, capsys):
    """A reader that has gone, or a full disk, leaves no position open; what was done is then on standard error."""
    monkeypatch.setattr("quantmind.cli.output.forget_stdout", lambda: None)
    monkeypatch.setattr("sys.stdout", Full(error))
    rest: Any = FakeRest()
    assert _close_all(rest, given(json=as_json)) == 0
    assert rest.closed == [7, 8, 9]
    told = capsys.readouterr().err.splitlines()
    assert [ticket in line for ticket, line in zip("789", told, strict=True)] == [True, True, True]


def test_a_refusal_that_nobody_reads_is_one_still(monkeypatch, capsys):
    """The exit code says that nothing was done, also when the text of it found no reader."""
    monkeypatch.setattr("quantmind.cli.output.forget_stdout", lambda: None)
    monkeypatch.setattr("sys.stdout", Full(BrokenPipeError(32, "Broken pipe")))
    rest: Any = FakeRest({7: Refused(422, {"code": "rejected", "detail": "too much"})})
    code = _send(rest, given(json=True, key="mine-7"), "POST", "/brokers/demo/positions/7/close", None, str)
    assert code == EXIT_REFUSED
    assert "too much" in capsys.readouterr().err


def test_an_interruption_ends_closing_all(capsys):
    """Whoever presses Ctrl-C wants the rest to stay: nothing more is sent, and what was left open is named."""
    rest: Any = FakeRest({8: KeyboardInterrupt()})
    assert _close_all(rest, given()) == EXIT_UNKNOWN
    assert rest.closed == [7]
    said = capsys.readouterr().err
    assert "not closed: 9" in said
    assert "UNKNOWN" in said
    assert "ticket 8" in said
    assert "--key mine asks" in said


@pytest.mark.parametrize("as_json", [False, True])
def test_each_failure_names_its_ticket(as_json, capsys):
    """Of many positions, which one the broker refused to close."""
    rest: Any = FakeRest({8: Refused(400, {"code": "broker_refused", "detail": "requote", "retcode": 10004})})
    assert _close_all(rest, given(json=as_json)) == EXIT_REFUSED
    assert rest.closed == [7, 9]
    said = capsys.readouterr()
    assert ('"ticket":8' in said.out) if as_json else ("ticket 8:" in said.err)


def test_a_recording_goes_on_when_nobody_reads_its_news(monkeypatch):
    """`quantmind ticks --record FILE 2>&1 | head -1`: the ticks are what it is for."""
    forgotten = []
    monkeypatch.setattr("quantmind.cli.output._forget", forgotten.append)
    monkeypatch.setattr("sys.stderr", Full(BrokenPipeError(32, "Broken pipe")))
    monkeypatch.setattr(Full, "fileno", lambda _: 2)
    record._say("connected again")
    assert forgotten == [2]


@pytest.mark.parametrize(
    ("error", "code"),
    [(BrokenPipeError(32, "Broken pipe"), 0), (OSError(28, "No space left on device"), EXIT_UNAVAILABLE)],
)
def test_what_only_shows_things_may_end_early(error, code, monkeypatch, capsys):
    """`| head -1` is how it is meant, and a full disk is not."""
    monkeypatch.setattr("quantmind.cli.output.forget_stdout", lambda: None)
    assert leave_stdout(error) == code
    assert bool(capsys.readouterr().err) is bool(code)


def test_one_sick_account_keeps_none_of_the_others_open(capsys):
    """What can be closed is closed; the account that could not be asked is named, and the exit code is no success."""
    rest: Any = TwoAccounts(SICK)
    assert _close_all(rest, given()) == EXIT_REFUSED
    assert rest.closed == [7, 8, 9]
    assert "sick is not in this: no_account" in capsys.readouterr().err


def test_an_account_without_the_symbol_is_no_trouble():
    """Of several accounts one need not trade what is asked for."""
    rest: Any = TwoAccounts(OTHER)
    assert _close_all(rest, given(symbol="EURUSD")) == 0
    assert rest.closed == [7, 8, 9]


@pytest.mark.parametrize("other", [SICK, OTHER])
def test_a_misspelt_symbol_is_not_nothing_open(other):
    """Whoever closes EURUDS must not believe that EURUSD is flat."""
    rest: Any = TwoAccounts(other)
    with pytest.raises(Refused):
        _close_all(rest, given(symbol="EURUDS"))
    assert rest.closed == []
