"""LEAN's recordings: what is read, and how what can't be read is said."""

import contextlib
import io
import zipfile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quantmind.adapters.mock import ReplayError, inspect_recording
from quantmind.adapters.mock.lean import LeanReader, find_recording, parse_line
from quantmind.domain.quotes import Quote

NAME = "20140508_eurusd_tick_quote.csv"
MIDNIGHT = 1_399_507_200_000


def plain(folder, text, name=NAME):
    path = folder / name
    path.write_bytes(text)
    return path


def zipped(folder, members, name="ticks.zip", method=zipfile.ZIP_DEFLATED):
    path = folder / name
    with zipfile.ZipFile(path, "w", method) as archive:
        for member, text in members.items():
            archive.writestr(member, text)
    return path


def read_all(path, limit=7):
    reader = LeanReader(find_recording(path), digits=5)
    reader.open()
    quotes, crossed = [], 0
    while not reader.ended and reader.error is None:
        more, dropped = reader.take(limit)
        quotes += more
        crossed += dropped
    reader.close()
    return quotes, crossed, reader


@pytest.mark.parametrize("make", [plain, lambda folder, text: zipped(folder, {NAME: text})])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_plain_and_zipped_files_give_the_same_ticks(tmp_path, make, end):
    """Day and symbol come from the file's name, the time is the day's midnight UTC and the milliseconds."""
    path = make(tmp_path, end.join([b"0,1.39101,1.39114", b"15681,1.39102,1.39116", b"86400000,1.4,1.4", b""]))
    quotes, crossed, _ = read_all(path)
    assert quotes == [
        Quote("EURUSD", 1.39101, 1.39114, MIDNIGHT),
        Quote("EURUSD", 1.39102, 1.39116, MIDNIGHT + 15_681),
        Quote("EURUSD", 1.4, 1.4, MIDNIGHT + 86_400_000),
    ]
    assert crossed == 0


def test_crossed_quotes_are_counted_and_left_out(tmp_path):
    """A bid above the ask, and a side that is 0 or below; a spread of zero is sound."""
    text = b"1,1.2,1.1\n2,1.1,1.1\n3,0,1.1\n4,-1,1.1\n5,1.1,1.2\n"
    quotes, crossed, _ = read_all(plain(tmp_path, text))
    assert [q.time_msc - MIDNIGHT for q in quotes] == [2, 5]
    assert crossed == 3


def test_empty_lines_and_a_missing_last_line_end_are_sound(tmp_path):
    """Editors make both."""
    quotes, _, _ = read_all(plain(tmp_path, b"1,1.1,1.2\n\n \r\n2,1.1,1.2"))
    assert len(quotes) == 2


def test_prices_have_the_digits_of_the_symbol(tmp_path):
    """The noise of a recorder's doubles goes."""
    quotes, _, _ = read_all(plain(tmp_path, b"1,1.1000000000000001,1.20000499\n"))
    assert (quotes[0].bid, quotes[0].ask) == (1.1, 1.2)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"3,1.1", "2 fields"),
        (b"3,1.1,1.2,4", "4 fields"),
        (b"hello", "1 fields"),
        (b"x,1.1,1.2", "not numbers"),
        (b"3,1.1,?", "not numbers"),
        (b"3,,1.2", "not numbers"),
        (b"3.5,1.1,1.2", "not numbers"),
        (b"1_0,1.1,1.2", "not numbers"),
        (b"3,1_0.1,1.2", "not numbers"),
        (b"3,nan,1.2", "can't be a price"),
        (b"3,1.1,inf", "can't be a price"),
        (b"3,1.1,1e300", "can't be a price"),
        (b"-1,1.1,1.2", "-1 ms"),
        (b"86400001,1.1,1.2", "86400001 ms"),
        (b"1,1.1,1.2", "backwards"),
        (b"\xff\xfe\x00", "1 fields"),
        (b"3," + b"1" * 500 + b",1.2", "a line of 128 bytes or more"),
    ],
)
def test_a_bad_line_stops_the_file_and_is_named(tmp_path, line, said):
    """What stood before it is given; the error names file and line and shows the line; nothing follows."""
    path = plain(tmp_path, b"2,1.1,1.2\n2,1.1,1.3\n" + line + b"\n9,1.1,1.2\n")
    quotes, _, reader = read_all(path)
    assert [q.ask for q in quotes] == [1.2, 1.3]
    assert reader.error is not None
    text = str(reader.error)
    assert f"{path}, line 3: " in text
    assert said in text
    assert len(text) < 400
    assert reader.take(10) == ((), 0)


def test_a_reader_goes_on_where_it_was(tmp_path):
    """Closing and opening again neither repeats nor skips a line, in a zip too."""
    path = zipped(tmp_path, {NAME: b"".join(b"%d,1.1,1.2\n" % n for n in range(50))})
    reader = LeanReader(find_recording(path), digits=5)
    seen = []
    while not reader.ended:
        reader.open()
        reader.open()
        quotes, _ = reader.take(7)
        seen += [q.time_msc - MIDNIGHT for q in quotes]
        reader.close()
        reader.close()
    assert seen == list(range(50))


@pytest.mark.parametrize("name", ["ticks.csv", "2014058_eurusd_tick_quote.csv", "20140508_eurusd_tick_trade.csv"])
def test_a_name_without_day_and_symbol_is_refused(tmp_path, name):
    """The text shows what a name looks like."""
    with pytest.raises(ReplayError, match="20140508_eurusd_tick_quote"):
        inspect_recording(plain(tmp_path, b"1,1.1,1.2\n", name))


def test_a_day_that_is_none_is_refused(tmp_path):
    """The 30th of February."""
    with pytest.raises(ReplayError, match="20140230"):
        inspect_recording(plain(tmp_path, b"1,1.1,1.2\n", "20140230_eurusd_tick_quote.csv"))


def test_the_symbol_can_be_said_otherwise(tmp_path):
    """A broker's suffix is not in the file's name."""
    seen = inspect_recording(plain(tmp_path, b"1,1.1,1.2\n"), symbol="EURUSD.r")
    assert seen.recording.symbol == "EURUSD.r"
    assert seen.first == Quote("EURUSD.r", 1.1, 1.2, MIDNIGHT + 1)


def test_a_check_reads_the_first_lines(tmp_path):
    """So that a wrong format is said before the start and not after it."""
    with pytest.raises(ReplayError, match="line 1: "):
        inspect_recording(plain(tmp_path, b"time,bid,ask\n1,1.1,1.2\n"))
    assert inspect_recording(plain(tmp_path, b"")).first is None


def test_a_missing_file_is_named(tmp_path):
    """With the system's reason."""
    with pytest.raises(ReplayError, match=r"no\.csv can't be read: No such file"):
        inspect_recording(tmp_path / "no.csv")


def test_a_folder_is_not_a_recording(tmp_path):
    """It can't be read either."""
    with pytest.raises(ReplayError, match="can't be read"):
        inspect_recording(tmp_path)


@pytest.mark.parametrize("members", [{}, {"readme.txt": b""}, {NAME: b"", "20140509_eurusd_tick_quote.csv": b""}])
def test_a_zip_holds_one_recording(tmp_path, members):
    """Not none and not two."""
    with pytest.raises(ReplayError, match="one CSV file"):
        inspect_recording(zipped(tmp_path, members))


def test_a_zip_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    """By what it says of itself, before anything is unpacked."""
    monkeypatch.setattr("quantmind.adapters.mock.lean._MOST_BYTES", 10)
    with pytest.raises(ReplayError, match="too many, at most 10"):
        inspect_recording(zipped(tmp_path, {NAME: b"1,1.1,1.2\n" * 10}))


def test_a_torn_zip_is_said_to_be_one(tmp_path):
    """A flipped byte is found by the checksum, at the latest when the end is read."""
    path = zipped(tmp_path, {NAME: b"".join(b"%d,1.1,1.2\n" % n for n in range(5000))}, method=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    at = data.index(b"4000,1.1,1.2")
    data[at + 6] = ord("9")
    path.write_bytes(data)
    _, _, reader = read_all(path, limit=1000)
    assert reader.error is not None
    assert "not a sound zip file" in str(reader.error)


def test_an_encrypted_zip_is_said_to_be_one(tmp_path):
    """We have no password for it."""
    path = zipped(tmp_path, {NAME: b"1,1.1,1.2\n"})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    with pytest.raises(ReplayError, match="not a sound zip file"):
        inspect_recording(path)


@given(st.binary(max_size=140))
@example(b"1,1,1\n")
@example("\u0661,\u0661,\u0661".encode())
@settings(max_examples=10_000, deadline=None)
def test_the_line_parser_raises_nothing_but_its_own_error(line):
    """Whatever the bytes are: a time of the day and two finite numbers, or a ReplayError."""
    try:
        ms, bid, ask = parse_line(line)
    except ReplayError:
        pass
    else:
        assert 0 <= ms <= 86_400_000
        assert abs(bid) <= 1e12
        assert abs(ask) <= 1e12


@given(st.text(alphabet="0123456789.,-+eE_ naif\r\t", max_size=60).map(str.encode))
@settings(max_examples=10_000, deadline=None)
def test_nearly_right_lines_raise_nothing_but_their_own_error(line):
    """Bytes that look like numbers."""
    test_the_line_parser_raises_nothing_but_its_own_error.hypothesis.inner_test(line)


@given(data=st.binary(max_size=400), as_zip=st.booleans())
@settings(max_examples=500, deadline=None)
def test_a_file_of_any_bytes_is_read_or_refused(tmp_path_factory, data, as_zip):
    """A ReplayError and nothing else, whether the bytes are a file or a zip cut anywhere."""
    path = tmp_path_factory.mktemp("any") / NAME
    if as_zip:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(NAME, b"1,1.1,1.2\n")
        data = bytes(b ^ d for b, d in zip(buffer.getvalue(), data.ljust(400, b"\0"), strict=False))
    path.write_bytes(data)
    with contextlib.suppress(ReplayError):
        inspect_recording(path)
