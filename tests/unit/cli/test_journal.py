"""`quantmind journal`: what it shows, writes and says; nothing of what others chose is obeyed on the way."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.adapters.journal.random_journal import Later, Past, Prune, content, editing

from quantmind.cli import main
from quantmind.cli.journal import export, source
from quantmind.cli.journal.export import FORMULA
from quantmind.cli.journal.tail import Follower
from quantmind.cli.journal.words import everything, one_line, paragraph, summary
from quantmind.domain.order_life import KnownBy, OrderState
from quantmind.domain.visible import json_visible
from quantmind.errors import EXIT_REFUSED, EXIT_UNAVAILABLE, EXIT_USAGE
from quantmind.ports import LogQuery
from quantmind.records import KINDS, Command, Decision, Entry, Event, Holding, Intent, Settled

EVIL = "\x1b[2J\x9b31m\u202e=cmd|'/c calc'!A1\r\n"
COMMON: dict[str, Any] = {
    "broker": "demo",
    "ea_name": "alpha",
    "magic": 7,
    "symbol": "EURUSD",
    "fingerprint": "f",
    "at": 0.0,
}
ORDER = {"type": "trade_open", "symbol": "EURUSD", "side": "buy", "volume": "0.1", "order_type": "market", "sl": "1.07"}
REASONS = [{"rule": "max_volume", "message": "1.0 lots at most", "limit": 1.0, "value": 1000}]
STORY = [
    [Event("link", "demo", {"feed": "live", "reason": None}, 0.0)],
    [
        Decision("d1", request_id="r9", approved=False, body=ORDER, reply={"reasons": REASONS}, via="zmq", **COMMON),
        Intent("1", request_id="r1", body=ORDER, **COMMON),
        Settled(
            "0",
            OrderState.FILLED,
            {"status": "success", "ticket": 12, "price": 1.0851},
            0.0,
            KnownBy.RECONCILIATION,
        ),
    ],
    [
        Holding("demo", "position", 12, {"symbol": "EURUSD", "side": "buy", "volume": 0.1, "price_open": 1.0851}, 0.0),
        Holding("demo", "deal", 13, {"symbol": "EURUSD", "entry": "in"}, 0.0, order_id="0", cause="client"),
        Command("trade_open", "alpha", "r1", "demo", "zmq", "ea", ORDER, {"status": "success"}, 0.0),
        Command("trade_open", "beta", "r1", "demo", "zmq", "ea", ORDER, {"code": "expired", "message": "late"}, 0.0),
        Event(EVIL, None, {"text": EVIL}, 0.0),
    ],
]


@pytest.fixture
def past(tmp_path: Path) -> Past:
    past = Past(tmp_path / "journal.sqlite3")
    past.live(STORY)
    return past


def quantmind(past: Past, work: str, *arguments: str) -> int:
    return main(["journal", work, *arguments, "--file", str(past.path)])


# --- words -----------------------------------------------------------------------------------------------------------


def test_the_words_of_each_kind(past, capsys):
    """A line says who, what and how it ended."""
    assert quantmind(past, "tail", "-n", "100") == 0
    lines = [line.split("  ", 2)[2].strip() for line in capsys.readouterr().out.splitlines() if "  " in line]
    told = [line.split("Z  ", 1)[-1] for line in lines]
    assert told[:7] == [
        "journal   the log begins (version 2)",
        "event     demo  link: feed live",
        "decision  demo  alpha  refused trade_open EURUSD buy 0.1 sl 1.07 from somebody over zmq by max_volume",
        "intent    demo  alpha  about to send trade_open EURUSD buy 0.1 sl 1.07",
        (
            "outcome   demo  alpha  filled, found at the broker: trade_open EURUSD buy 0.1 sl 1.07; "
            "success ticket 12 at 1.0851"
        ),
        "position  demo  12: EURUSD buy 0.1 at 1.0851",
        "deal      demo  13 (client): EURUSD in",
    ]
    assert told[8].endswith("trade_open from ea over zmq: expired (late)")


TEXTS = st.text(max_size=10) | st.just(EVIL)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    *("approved", "reply", "reasons", "command", "order", "state", "known_by", "data", "ticket", "cause", "value"),
    *("key", "name", "taken_over", "first", "through", "why", "price", "volume", "limit", "rule", "reason"),
]
BODIES = st.one_of(
    st.dictionaries(st.sampled_from(FIELDS) | TEXTS, VALUES, max_size=6).map(
        lambda value: json.dumps(value, ensure_ascii=False)
    ),
    VALUES.map(json.dumps),
    TEXTS,
    st.just("[" * 100_000),
)
LINES = st.builds(
    Entry,
    seq=st.integers(1, 10**6),
    at_us=st.integers(0, 10**15),
    kind=st.sampled_from(KINDS) | TEXTS,
    broker=st.none() | TEXTS,
    ea_name=st.none() | TEXTS,
    request_id=st.none() | TEXTS,
    order_id=st.none() | TEXTS,
    body=BODIES,
    hash=st.just(bytes(32)) | st.just(b""),
)


@given(LINES)
def test_words_never_fail_and_never_command(line):
    """Whatever a body holds: a text, of nothing that a terminal would obey."""
    assert isinstance(summary(line), str)
    assert one_line(line).isprintable()
    for text in (paragraph(line), everything(line)):
        assert all(part.isprintable() for part in text.split("\n"))


@given(VALUES)
def test_escaped_json_means_the_same(value):
    """Only what is not printable changes, and into what means it."""
    text = json.dumps(value, ensure_ascii=False)
    assert json_visible(text).isprintable()
    assert json.loads(json_visible(text)) == json.loads(text)


# --- tail ------------------------------------------------------------------------------------------------------------


def test_tail_shows_the_newest_that_fit(past, capsys):
    """With its filters, as JSON that no terminal obeys."""
    assert quantmind(past, "tail", "-n", "2", "--kinds", "deal,event,command", "--json") == 0
    text = capsys.readouterr().out
    lines = [json.loads(line) for line in text.split("\n") if line]
    assert [(line["seq"], line["kind"]) for line in lines] == [(9, "command"), (10, "event")]
    assert lines[1]["body"] == {"name": EVIL, "text": EVIL}
    assert all(line.isprintable() for line in text.split("\n"))
    quantmind(past, "tail", "--ea", "beta")
    assert capsys.readouterr().out.count("\n") == 1


def follow(past: Past, lines: int = 0) -> Follower:
    follower = Follower(past.path, LogQuery(), as_json=False)
    if lines:
        follower.begin(lines)
    return follower


def shown(capsys: pytest.CaptureFixture[str]) -> tuple[list[int], str]:
    out, err = capsys.readouterr()
    return [int(line.split()[0]) for line in out.splitlines()], err


def test_a_follower_shows_each_line_once(past, capsys):
    """The newest at first, then what comes, over a restart of the gateway."""
    follower = follow(past, 2)
    assert shown(capsys) == ([9, 10], "")
    follower.look()
    assert shown(capsys) == ([], "")
    past.live([[Event("e", None, {}, 0.0)] * 3])
    follower.look()
    past.live([])
    follower.look()
    assert shown(capsys) == ([11, 12, 13], "")


def test_a_follower_reads_on_in_pages(past, capsys, monkeypatch):
    """However much came at once, and however little of it fits."""
    monkeypatch.setattr("quantmind.cli.journal.tail.PAGE", 2)
    follower = follow(past)
    follower.look()
    assert shown(capsys)[0] == list(range(1, 11))
    follower.ask = LogQuery(kinds=frozenset({"deal"}))
    past.live([[Event("e", None, {}, 0.0)] * 9, [Holding("demo", "deal", 99, {}, 0.0)]])
    follower.look()
    assert shown(capsys) == ([20], "")


def test_a_follower_tells_of_what_it_missed(past, capsys):
    """Lines that were pruned before they could be shown."""
    follower = follow(past, 1)
    past.live([[Event("e", None, {}, 0.0)] * 20, Prune(small=True), Prune(small=True)])
    capsys.readouterr()
    follower.look()
    seqs, said = shown(capsys)
    first = content(past.path)["log"][0][0]
    assert seqs[0] == first == 15
    assert "lines 11 to 14 were pruned before they could be shown" in said
    follower.look()
    assert shown(capsys) == ([], "")


@pytest.mark.parametrize("more", [0, 30])
def test_a_follower_tells_of_another_journal(past, capsys, more):
    """One in the file's place is shown from its beginning, whether it is shorter or longer."""
    follower = follow(past, 1)
    for file in past.path.parent.iterdir():
        file.unlink()
    other = Past(past.path, past.now + 60)
    other.live([[Event("e", None, {}, 0.0)] * (more + 1)])
    capsys.readouterr()
    follower.look()
    seqs, said = shown(capsys)
    assert seqs == list(range(1, more + 3))
    assert "another journal" in said


def test_a_follower_waits_for_a_journal(tmp_path, capsys):
    """It says once why there is nothing, and shows what comes."""
    past = Past(tmp_path / "journal.sqlite3")
    follower = follow(past, 5)
    follower.look()
    seqs, said = shown(capsys)
    assert seqs == []
    assert said.count("there is no journal") == 1
    past.live([])
    follower.look()
    assert shown(capsys) == ([1], "")


def test_following_ends_well_with_an_interrupt(past, capsys, monkeypatch):
    """Ctrl-C is how it ends, so it is no failure."""

    def interrupt(seconds: float) -> None:
        assert 0 < seconds <= 1
        raise KeyboardInterrupt

    monkeypatch.setattr("quantmind.cli.journal.tail.time.sleep", interrupt)
    assert quantmind(past, "tail", "--follow", "-n", "1") == 0
    assert shown(capsys)[0] == [10]


# --- show ------------------------------------------------------------------------------------------------------------


def test_a_line_with_all_that_is_in_it(past, capsys):
    """Its fields, its words, and its body to the last digit."""
    assert quantmind(past, "show", "5") == 0
    text = capsys.readouterr().out
    assert "order    o1\n" in text
    assert '"price": 1.0851' in text
    assert content(past.path)["log"][4][8].hex() in text
    assert quantmind(past, "show", "99") == EXIT_REFUSED
    assert "there is no line 99; the log has 1 to 10" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "seqs"),
    [
        (["--order", "o1"], [4, 5, 7, 8]),
        (["--request", "r1", "--ea", "alpha"], [4, 5, 7, 8]),
        (["--request", "r1"], [4, 5, 7, 8, 9]),
        (["--request", "r9"], [3]),
    ],
)
def test_a_story_from_either_end(past, capsys, asked, seqs):
    """By order or by request: the decision, the order, its outcome, deals and repeats, in order."""
    assert quantmind(past, "show", *asked, "--json") == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["seq"] for line in out.splitlines()] == seqs
    assert ("several EAs have used this id: alpha, beta" in err) is (asked == ["--request", "r1"])


def test_a_story_tells_reasons(past, capsys):
    """Each rule that spoke, with its limit."""
    assert quantmind(past, "show", "--request", "r9") == 0
    assert "max_volume: 1.0 lots at most (limit 1.0, value 1000)" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["1", "--order", "o1"], ["--order", "o1", "--ea", "alpha"]])
def test_show_is_asked_for_one_thing(past, capsys, arguments):
    """Anything else is wrong usage."""
    assert quantmind(past, "show", *arguments) == EXIT_USAGE
    assert "name one of" in capsys.readouterr().err


def test_a_story_that_is_not_there(past, capsys):
    """The way out is to look at how long lines are kept."""
    assert quantmind(past, "show", "--order", "o77") == EXIT_REFUSED
    assert "the log has no line of o77" in capsys.readouterr().err


# --- export ----------------------------------------------------------------------------------------------------------


def test_an_export_proves_itself(past, tmp_path, capsys):
    """As JSON lines, whose check needs no journal, and whose head can be compared."""
    target = tmp_path / "out.jsonl"
    assert quantmind(past, "export", str(target), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["lines"], told["first"], told["last"], told["damaged"]) == (10, 1, 10, 0)
    assert main(["journal", "verify", str(target), "--head", told["head"]]) == 0
    assert main(["journal", "verify", "--file", str(target)]) == 0
    assert main(["journal", "verify", "--head", told["head"], "--file", str(past.path)]) == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_parts_of_the_log(past, tmp_path, monkeypatch):
    """After a line, since a time, of some kinds; in pages of any size."""
    monkeypatch.setattr("quantmind.cli.journal.export.PAGE", 2)
    past.live([Later(3600.0), [Event("late", None, {}, 0.0)]])
    since = "2026-11-23T09:30:00Z"
    for arguments, seqs in (
        (["--after", "7"], [8, 9, 10, 11]),
        (["--since", since], [11]),
        (["--kinds", "event,intent"], [2, 4, 10, 11]),
        (["--ea", "alpha", "--broker", "demo"], [3, 4, 5, 8]),
    ):
        target = tmp_path / "part.jsonl"
        assert quantmind(past, "export", str(target), *arguments) == 0
        assert [json.loads(line)["seq"] for line in target.read_text(encoding="utf-8").split("\n") if line] == seqs
        assert main(["journal", "verify", str(target), "--selection"]) == 0
        gaps = seqs != list(range(seqs[0], seqs[-1] + 1))
        assert main(["journal", "verify", str(target)]) == (EXIT_REFUSED if gaps else 0)


def test_a_spreadsheet_runs_nothing(past, tmp_path):
    """Each cell of CSV is text or a number; the body is a column of its own."""
    past.live([[Command("t", f"{start}1+1", start, "demo", "zmq", "", {}, {}, 0.0)] for start in FORMULA])
    target = tmp_path / "out.csv"
    assert quantmind(past, "export", str(target), "--format", "csv") == 0
    head, *rows = csv.reader(io.StringIO(target.read_bytes().decode(), newline=""))
    assert head[-1] == "body"
    assert len(rows) == 10 + len(FORMULA)
    assert not any(cell.startswith(FORMULA) for row in rows for cell in row)
    assert {row[5] for row in rows[10:]} == {f"'{start}1+1" for start in FORMULA}
    stored = content(past.path)["log"]
    assert [row[-1] for row in rows] == [row[7] for row in stored]


def test_a_file_is_there_as_a_whole_or_not_at_all(past, tmp_path, capsys, monkeypatch):
    """On any trouble the old one stays, and nothing is left beside it."""
    target = tmp_path / "out.jsonl"
    target.write_text("old")
    for trouble, code in ((OSError(28, "No space left on device"), EXIT_UNAVAILABLE), (KeyboardInterrupt(), 1)):
        with monkeypatch.context() as patch:

            def fail(descriptor: int, trouble: BaseException = trouble) -> None:
                raise trouble

            patch.setattr(export.os, "fsync", fail)
            assert quantmind(past, "export", str(target)) == code
        assert target.read_text() == "old"
        assert {path.name for path in tmp_path.iterdir()} <= {
            "out.jsonl",
            "journal.sqlite3",
            "journal.sqlite3-wal",
            "journal.sqlite3-shm",
        }
    assert "No space left" in capsys.readouterr().err
    assert quantmind(past, "export", str(tmp_path / "nowhere" / "out")) == EXIT_UNAVAILABLE


def test_an_export_while_lines_are_pruned_is_none(past, tmp_path, capsys, monkeypatch):
    """A gap that retention made meanwhile would look like one that somebody made."""
    monkeypatch.setattr("quantmind.cli.journal.export.PAGE", 1)
    real, asked = source.page_of, []

    def pruning(connection: sqlite3.Connection, ask: LogQuery) -> Any:
        if len(asked) == 3:
            connection.execute("ROLLBACK")
            past.live([Prune(small=True)])
            connection.execute("BEGIN")
        asked.append(ask)
        return real(connection, ask)

    monkeypatch.setattr("quantmind.cli.journal.export.page_of", pruning)
    assert quantmind(past, "export", str(tmp_path / "out")) == EXIT_UNAVAILABLE
    assert "were pruned meanwhile; export again" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_standard_output_gets_the_bytes_as_they_stand(past, capfdbinary, monkeypatch):
    """Into a pipe; a terminal gets what means the same and obeys none of it."""
    assert quantmind(past, "export", "-") == 0
    out = capfdbinary.readouterr().out
    stored = content(past.path)["log"]
    assert [line.split(b',"body":', 1)[1][:-1].decode() for line in out.split(b"\n") if line] == [
        row[7] for row in stored
    ]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert quantmind(past, "export", "-") == 0
    assert all(line.isprintable() for line in capfdbinary.readouterr().out.decode().split("\n"))


def test_damaged_lines_are_exported_and_told(past, tmp_path, capsys):
    """What can be read is there, and the exit code says that it is not all right."""
    with editing(past.path) as connection:
        connection.execute("UPDATE log SET body = 'nothing' WHERE seq = 2")
    assert quantmind(past, "export", str(tmp_path / "out")) == EXIT_REFUSED
    assert "1 lines (with an empty hash) are damaged" in capsys.readouterr().err
    assert len((tmp_path / "out").read_text(encoding="utf-8").split("\n")) == 11


# --- verify ----------------------------------------------------------------------------------------------------------


def test_verify_says_what_there_is(past, capsys):
    """Lines, ends, head; the same as JSON."""
    assert quantmind(past, "verify") == 0
    out = capsys.readouterr().out
    head = content(past.path)["log"][-1]
    assert f"head     10:{head[8].hex()}\n" in out
    assert out.endswith("verdict  no fault found\n")
    assert quantmind(past, "verify", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["lines"], told["first"]["seq"], told["head"]) == (True, 10, 1, f"10:{head[8].hex()}")


def test_verify_says_what_is_wrong(past, capsys):
    """Each fault with its line, what was expected and found; and a code that scripts see."""
    with editing(past.path) as connection:
        connection.execute("UPDATE intents SET reply = '{\"ticket\":13}'")
        connection.execute("UPDATE log SET at_us = at_us + 1 WHERE seq = 3")
    assert quantmind(past, "verify") == EXIT_REFUSED
    out = capsys.readouterr().out
    assert "FAULT    line 3: it, or its hash, was changed; expected " in out
    assert "FAULT    intents o1: reply is not what line 5 says" in out
    assert "NOT as it was written" in out
    assert quantmind(past, "verify", "--json") == EXIT_REFUSED
    told = json.loads(capsys.readouterr().out)
    assert {fault["where"] for fault in told["faults"]} >= {"line 3", "intents o1"}
    assert told["fault_count"] == len(told["faults"])


def test_a_head_that_was_noted(past, capsys):
    """The right one is fine, another one is not, and what is none is wrong usage."""
    head = content(past.path)["log"][4]
    assert quantmind(past, "verify", "--head", f"5:{head[8].hex()}") == 0
    assert quantmind(past, "verify", "--head", f"5:{'00' * 32}") == EXIT_REFUSED
    assert "its hash is not the one that was noted" in capsys.readouterr().out
    for wrong in ("5", "5:00", "0:" + "00" * 32, "x:" + "00" * 32, "-1:" + "00" * 32):
        with pytest.raises(SystemExit) as ended:
            main(["journal", "verify", "--head", wrong])
        assert ended.value.code == EXIT_USAGE


def test_an_interrupted_check_proves_nothing(past, capsys, monkeypatch):
    """It must not look like a clean one."""

    def interrupt(*given: Any, **how: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("quantmind.cli.journal.verify.verify_journal", interrupt)
    assert quantmind(past, "verify") == EXIT_REFUSED
    assert "nothing is proven" in capsys.readouterr().err


def test_what_can_not_be_checked(past, tmp_path, capsys):
    """A file that is neither, one that is not there, and a journal of which somebody wants a selection."""
    other = tmp_path / "other.csv"
    other.write_text("seq,time\n")
    assert main(["journal", "verify", str(other)]) == EXIT_USAGE
    assert "of CSV nothing can be proven" in capsys.readouterr().err
    assert main(["journal", "verify", str(tmp_path / "none")]) == EXIT_UNAVAILABLE
    assert "there is no journal" in capsys.readouterr().err
    assert main(["journal", "verify", str(past.path), "--selection"]) == EXIT_USAGE


# --- where and what --------------------------------------------------------------------------------------------------


def test_the_journal_of_a_configuration(past, tmp_path, capsys):
    """By --config and --state, as other subcommands find theirs."""
    config = tmp_path / "brokers.yaml"
    broker = {"type": "mt5_mock", "symbols": {"EURUSD": {}}}
    config.write_text(json.dumps({"gateway": {"state_dir": str(tmp_path)}, "brokers": {"demo": broker}}))
    assert main(["journal", "tail", "-n", "1", "--config", str(config)]) == 0
    assert main(["journal", "verify", "--config", str(config), "--state", str(tmp_path / "other")]) == EXIT_UNAVAILABLE
    assert "there is no journal at" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["tail", "-n", "0"],
        ["tail", "-n", "10001"],
        ["tail", "--kinds", "intents"],
        ["export", "-", "--since", "yesterday"],
        ["export", "-", "--after", "-1"],
        ["show", "x"],
        ["export"],
        [],
    ],
)
def test_wrong_usage(arguments, capsys):
    """Says what would be right, and exits with 2."""
    with pytest.raises(SystemExit) as ended:
        main(["journal", *arguments])
    assert ended.value.code == EXIT_USAGE
    assert capsys.readouterr().err


def test_reading_changes_nothing(past):
    """Not a byte of the file, whatever is read."""
    with closing(sqlite3.connect(past.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = past.path.read_bytes()
    for work in (["tail"], ["show", "5"], ["export", "-"], ["verify"]):
        assert quantmind(past, *work) == 0
    assert past.path.read_bytes() == before
