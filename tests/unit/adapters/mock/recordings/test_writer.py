"""Writing our own format: exactly what was seen, and never into another's file."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_recordings import SPECS, START_MSC, TICKS, read_all, recording

from quantmind.adapters.mock.recordings import text as texts
from quantmind.adapters.mock.recordings.writer import MOST_BACK_MS, RecordError, RecordingWriter
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec

EXAMPLES = examples(1_000, 200)
NAMES = ["day.ticks", "day.ticks.gz"]


def write(path: Path, quotes: list[Quote]) -> None:
    writer = RecordingWriter.open(path)
    for quote in quotes:
        assert writer.tick(quote)
    assert writer.ticks == len(quotes)
    writer.close()
    writer.close()


def plain(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_read_and_can_be_gone_on_with(tmp_path: Path, name: str) -> None:
    """In the same run and in the next."""
    path = tmp_path / name
    write(path, TICKS[:2])
    write(path, TICKS[2:])
    assert read_all(recording(path))[0] == TICKS
    assert plain(path).count(b"#quantmind-ticks 1\n") == 1


@pytest.mark.parametrize("name", NAMES)
def test_what_is_flushed_survives_a_kill(tmp_path: Path, name: str) -> None:
    """Whatever was written after it is lost, and nothing else."""
    path = tmp_path / name
    writer = RecordingWriter.open(path)
    writer.tick(TICKS[0])
    writer.flush()
    writer.flush()
    writer.tick(TICKS[1])
    killed = tmp_path / f"killed.{name}"
    killed.write_bytes(path.read_bytes())
    writer.close()
    quotes, _, reader = read_all(recording(killed))
    assert (quotes, reader.error) == (TICKS[:1], None)


def test_a_torn_line_is_cut_off_before_going_on(tmp_path: Path) -> None:
    """It would be a bad line in the middle."""
    path = tmp_path / "day.ticks"
    write(path, TICKS[:2])
    with path.open("ab") as file:
        file.write(b"13995072156")
    writer = RecordingWriter.open(path)
    assert writer.torn_bytes == 11
    writer.tick(TICKS[2])
    writer.close()
    assert read_all(recording(path))[0] == TICKS[:3]


def test_a_torn_gzip_can_t_be_gone_on_with(tmp_path: Path) -> None:
    """What is behind a torn member can't be found; the file stays as it is."""
    path = tmp_path / "day.ticks.gz"
    write(path, TICKS)
    path.write_bytes(data := path.read_bytes()[:-4])
    with pytest.raises(RecordError, match="as after a kill"):
        RecordingWriter.open(path)
    assert path.read_bytes() == data
    assert read_all(recording(path))[0] == TICKS


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("x.csv", b"1,1.1,1.2\n", "is not a recording of this program"),
        ("x.gz", b"#quantmind-ticks 1\n", "is not a gzip file"),
        ("x.ticks", gzip.compress(b"#quantmind-ticks 1\n", mtime=0), "is not a recording"),
        ("x.gz", gzip.compress(b"hello\n", mtime=0), "line 1: not the header"),
        ("x.gz", gzip.compress(b"", mtime=0), "it is empty"),
        ("x", b"#quantmind-ticks 2\n", "version 2"),
        ("x", b"#quantmind-ticks 1\nhello\n", "line 2: not `UTC ms"),
        ("x", b"#quantmind-ticks 1\n5,EURUSD,1,2,0,0\n4,EURUSD,1,2,0,0\n", "line 3: time runs backwards"),
        ("x", b"#quantmind-ticks 1\n5,\xff,1,2,0,0\n", "line 2: a symbol that is not UTF-8"),
    ],
)
def test_nothing_is_appended_to_what_is_no_sound_recording(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    """It stays as it is."""
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(RecordError, match=said):
        RecordingWriter.open(path)
    assert path.read_bytes() == data


def test_an_empty_file_becomes_a_recording(tmp_path: Path) -> None:
    """As `mktemp` makes them."""
    path = tmp_path / "day.ticks"
    path.touch()
    write(path, TICKS)
    assert read_all(recording(path))[0] == TICKS


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """Two would tear each other's lines."""
    path = tmp_path / "day.ticks"
    writer = RecordingWriter.open(path)
    with pytest.raises(RecordError, match="written by another recorder"):
        RecordingWriter.open(path)
    writer.close()
    RecordingWriter.open(path).close()


def test_a_snapshot_of_what_was_written_last_is_not_written_again(tmp_path: Path) -> None:
    """Also by the next run; a snapshot of something newer is a tick like others."""
    path = tmp_path / "day.ticks"
    write(path, TICKS[:2])
    writer = RecordingWriter.open(path)
    assert not writer.tick(TICKS[1], snapshot=True)
    assert writer.tick(TICKS[2], snapshot=True)
    assert not writer.tick(TICKS[2], snapshot=True)
    assert writer.tick(TICKS[2])
    writer.close()
    assert read_all(recording(path))[0] == [*TICKS[:3], TICKS[2]]


def test_a_tick_whose_time_ran_back_is_noted_and_not_replayed(tmp_path: Path) -> None:
    """A little of it: a clock was put right. More is another day, and refused."""
    path = tmp_path / "day.ticks"
    writer = RecordingWriter.open(path)
    writer.tick(TICKS[3])
    assert not writer.tick(TICKS[2])
    assert writer.tick(Quote("NZDUSD", 0.8, 0.9, START_MSC))
    assert (writer.ticks, writer.late) == (2, 1)
    with pytest.raises(RecordError, match="record it into another file"):
        writer.tick(Quote("EURUSD", 1.1, 1.2, TICKS[3].time_msc - MOST_BACK_MS - 1))
    writer.close()
    assert b"#late 1399507215681,EURUSD,1.39102,1.39115,0,0\n" in path.read_bytes()
    assert len(read_all(recording(path))[0]) == 2


def test_notes_are_no_ticks_and_fit_into_a_line(tmp_path: Path) -> None:
    """Whatever stands in them."""
    path = tmp_path / "day.ticks"
    writer = RecordingWriter.open(path)
    writer.note("gap", {"symbol": "EURUSD", "from_seq": 3})
    writer.note("down", {"reason": "a\nb\r\x00\u2028é" * 100, "more": "x" * 1000, "and": "y" * 1000, "yet": "z" * 100})
    writer.close()
    quotes, _, reader = read_all(recording(path))
    assert (quotes, reader.error, reader.text.gaps, writer.gaps) == ([], None, 1, 1)
    assert b"#gap symbol=EURUSD from_seq=3\n" in path.read_bytes()
    assert max(map(len, path.read_bytes().splitlines())) < texts.LONGEST_LINE


@pytest.mark.parametrize(
    "quote",
    [
        Quote("EUR,USD", 1.1, 1.2, 1),
        Quote("EUR\nUSD", 1.1, 1.2, 1),
        Quote("", 1.1, 1.2, 1),
        Quote("é" * 33, 1.1, 1.2, 1),
        Quote("EURUSD", float("nan"), 1.2, 1),
        Quote("EURUSD", 1.1, float("inf"), 1),
        Quote("EURUSD", 1.1, 1.2, -1),
        Quote("EURUSD", 1.1, 1.2, 10**13),
    ],
)
def test_what_has_no_place_in_a_line_is_refused(tmp_path: Path, quote: Quote) -> None:
    """Instead of a recording that can't be replayed."""
    writer = RecordingWriter.open(tmp_path / "day.ticks")
    with pytest.raises(RecordError, match="can't be"):
        writer.tick(quote)
    writer.close()


PRICES = st.integers(1, 10**9).map(lambda n: n / 100_000)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["EURUSD", "Gold #1 é.r"]),
            PRICES,
            st.integers(0, 500).map(lambda n: n / 100_000),
            st.integers(0, 1000),
            st.one_of(st.just(0.0), PRICES),
            st.floats(0, 1e9),
        ),
        max_size=20,
    ),
    st.sampled_from(NAMES),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_any_ticks_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, float, float, int, float, float]], name: str
) -> None:
    """To the last bit of each number."""
    path = tmp_path_factory.mktemp("w") / name
    quotes, at = [], START_MSC
    for symbol, bid, spread, gap, last, volume in rows:
        at += gap
        quotes.append(Quote(symbol, round(bid, 5), round(bid + spread, 5), at, round(last, 5), volume))
    write(path, quotes)
    specs = {**SPECS, "Gold #1 é.r": usual_spec("EURUSD")}
    reader = recording(path).open(specs)
    seen, crossed = reader.take(1000)
    assert (list(seen), crossed, reader.error, reader.ended) == (quotes, 0, None, True)
