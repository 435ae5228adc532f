"""LEAN's recordings: what is read, and how what can't be read is said."""

import zipfile

import pytest

from quantmind.adapters.mock import Recording, ReplayError
from quantmind.adapters.mock.recordings import parse_zone
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec

NAME = "20140508_eurusd_tick_quote.csv"
MIDNIGHT = 1_399_507_200_000
SPECS = {"EURUSD": usual_spec("EURUSD"), "EURUSD.r": usual_spec("EURUSD.r")}


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


def inspect(path, **more):
    return Recording(path, **more).inspect(SPECS)


def read_all(path, limit=7, **more):
    reader = Recording(path, **more).open(SPECS)
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
        (b"3," + b"1" * 500 + b",1.2", "a line of more than 256 bytes"),
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
    reader = Recording(path).open(SPECS)
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
        inspect(plain(tmp_path, b"1,1.1,1.2\n", name))


def test_a_day_that_is_none_is_refused(tmp_path):
    """The 30th of February."""
    with pytest.raises(ReplayError, match="20140230"):
        inspect(plain(tmp_path, b"1,1.1,1.2\n", "20140230_eurusd_tick_quote.csv"))


def test_the_symbol_can_be_said_otherwise(tmp_path):
    """A broker's suffix is not in the file's name."""
    seen = inspect(plain(tmp_path, b"1,1.1,1.2\n"), symbol="EURUSD.r")
    assert seen.symbols == ("EURUSD.r",)
    assert seen.first == Quote("EURUSD.r", 1.1, 1.2, MIDNIGHT + 1)


def test_a_check_reads_the_first_lines(tmp_path):
    """So that a wrong format is said before the start and not after it."""
    path = plain(tmp_path, b"time,bid,ask\n1,1.1,1.2\n")
    with pytest.raises(ReplayError, match=r"line 1 begins none .*'time,bid,ask'"):
        inspect(path)
    with pytest.raises(ReplayError, match="line 1: not numbers"):
        inspect(path, format="lean")
    with pytest.raises(ReplayError, match="it is empty"):
        inspect(plain(tmp_path, b""))


def test_midnight_is_that_of_the_zone(tmp_path):
    """UTC unless the configuration says another; a day on which its clocks were set can't be counted in."""
    path = plain(tmp_path, b"1,1.1,1.2\n")
    for zone, hours in (("+02:00", -2), ("-05:00", 5), ("Europe/Athens", -3), ("new_york_close", -3)):
        first = inspect(path, zone=parse_zone(zone)).first
        assert first.time_msc == MIDNIGHT + 1 + hours * 3_600_000, zone
    sunday = plain(tmp_path, b"1,1.1,1.2\n", "20140330_eurusd_tick_quote.csv")
    with pytest.raises(ReplayError, match=r"Europe/Athens were set on 2014-03-30"):
        inspect(sunday, zone=parse_zone("Europe/Athens"))
