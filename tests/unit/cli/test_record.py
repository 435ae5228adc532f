"""The recorder: events of a feed become lines of a recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantmind.adapters.mock.recordings.writer import RecordError, RecordingWriter
from quantmind.cli.record import Recorder, record
from quantmind.client import (
    Connected,
    Disconnected,
    FeedEvent,
    FeedStatus,
    FeedWarning,
    Gap,
    NewEpoch,
    SeqReset,
    Subscribed,
    SymbolRejected,
    Tick,
)
from quantmind.errors import StartError


def tick(seq: int, *, symbol: str = "EURUSD", snapshot: bool = False) -> Tick:
    return Tick(symbol, "demo", 1.1, 1.2, 0.0, 0.0, 1_000_000 + seq, 10.0, seq, snapshot)


def lines(path: Path, events: list[FeedEvent], count: int | None = None) -> list[str]:
    writer = RecordingWriter.open(path)
    recorder = Recorder(writer, count)
    try:
        for event in events:
            if recorder.take(event):
                break
    finally:
        writer.close()
    return path.read_text(encoding="utf-8").splitlines()[1:]


def test_ticks_are_lines_and_a_snapshot_is_not_written_twice(tmp_path: Path) -> None:
    """The one of a first subscription is a tick that was seen."""
    again = [tick(2, snapshot=True), tick(3)]
    seen = lines(tmp_path / "x", [tick(1, snapshot=True), tick(2), *again])
    assert seen == [f"{1_000_000 + seq},EURUSD,1.1,1.2,0,0" for seq in (1, 2, 3)]


def test_all_that_a_feed_tells_of_missing_ticks_is_a_gap(tmp_path: Path) -> None:
    """So that a reader need not know the ways in which ticks can be missing."""
    events: list[FeedEvent] = [
        NewEpoch("a", None),
        Gap("EURUSD", "demo", 3, 5),
        Gap("EURUSD", "demo", 3, 5, conflated=True),
        NewEpoch("b", "a"),
        SeqReset("EURUSD", "demo", 9, 1),
    ]
    assert lines(tmp_path / "x", events) == [
        "#epoch epoch=a",
        "#gap symbol=EURUSD broker=demo from_seq=3 to_seq=5 cause=lost",
        "#gap symbol=EURUSD broker=demo from_seq=3 to_seq=5 cause=slow_recorder",
        "#gap cause=new_epoch epoch=b previous=a",
        "#gap symbol=EURUSD broker=demo last_seq=9 seq=1 cause=seq_reset",
    ]


def test_the_rest_is_noted(tmp_path: Path) -> None:
    """A feed that goes silent, what is rejected, what was warned of."""
    seen = lines(
        tmp_path / "x",
        [
            Subscribed("EURUSD"),
            SymbolRejected("NOSUCH", "unknown_symbol"),
            FeedStatus("stale", "demo", "EURUSD", 12_000),
            FeedStatus("stopping"),
            FeedWarning("rate_limited", "slow down"),
        ],
    )
    assert [line.partition(" at=")[0] for line in seen] == [
        "#symbol symbol=EURUSD",
        "#rejected symbol=NOSUCH reason=unknown_symbol",
        "#status state=stale symbol=EURUSD broker=demo",
        "#status state=stopping",
        '#warning code=rate_limited message="slow down"',
    ]


def test_an_outage_is_its_beginning_and_its_end(tmp_path: Path) -> None:
    """Not a line for every try, which would fill a disk in a week."""
    outage = [Disconnected("gone", tries, 1.0) for tries in range(1, 50)]
    seen = lines(tmp_path / "x", [Connected(again=False, down_s=0.0), *outage, Connected(again=True, down_s=3.25)])
    assert [line.split()[0] for line in seen] == ["#down", "#up"]
    assert seen[0].endswith("reason=gone")
    assert seen[1].endswith("down_s=3.25")


def test_a_gateway_that_never_was_there_is_no_outage(tmp_path: Path) -> None:
    """A wrong address would be waited for for ever."""
    with pytest.raises(StartError, match="nobody"):
        lines(tmp_path / "x", [Disconnected("nobody", 1, 1.0)])


def test_it_ends_after_so_many_ticks(tmp_path: Path) -> None:
    """As it was asked to."""
    assert len(lines(tmp_path / "x", [tick(seq) for seq in range(1, 9)], count=3)) == 3


def test_a_time_that_goes_back_by_more_than_a_minute_ends_it(tmp_path: Path) -> None:
    """Another run of a replay belongs into another file."""
    late = Tick("EURUSD", "demo", 1.1, 1.2, 0.0, 0.0, 1, 10.0, 2)
    with pytest.raises(RecordError, match="another file"):
        lines(tmp_path / "x", [tick(1), late])


class Options:
    """What the command line says."""

    symbols = ("EURUSD",)
    count = None
    json = False
    ca = None

    def __init__(self, path: Path) -> None:
        self.record = path


def test_a_file_that_can_t_be_written_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the system's reason."""
    assert record("ws://127.0.0.1:9/", Options(tmp_path / "no" / "x")) == 69  # type: ignore[arg-type]
    assert "can't be written: No such file" in capsys.readouterr().err


def test_an_address_with_a_token_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is tried."""
    assert record("ws://127.0.0.1:9/?token=abc", Options(tmp_path / "x")) == 69  # type: ignore[arg-type]
    err = capsys.readouterr().err
    assert "token in an address" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("url", ["foo", "http://x", "ws://127.0.0.1:99999/"])
def test_an_address_that_is_none_is_refused_before_a_file_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    """That is wrong usage."""
    assert record(url, Options(tmp_path / "x")) == 2  # type: ignore[arg-type]
    assert "is not an address" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
