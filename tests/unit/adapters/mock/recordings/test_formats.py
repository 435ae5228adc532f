"""Each format of recordings: what it says, what is refused in it, and how it is told from the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_recordings import PACKINGS, SAMPLES, SPECS, START_MSC, TICKS, ZONES, read_all, recording, written

from quantmind.adapters.mock import ReplayError
from quantmind.adapters.mock.recordings import FORMATS, parse_zone
from quantmind.adapters.mock.recordings.bars import looks_like_bars
from quantmind.domain.quotes import Quote

FORMS = sorted(SAMPLES)
LINE_FORMS = [form for form in FORMS if not form.startswith("dukascopy")]
MT5_HEAD = b"<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\r\n"
OWN_HEAD = b"#quantmind-ticks 1\n"


def quotes_of(folder: Path, form: str, data: bytes, **more: object) -> list[Quote]:
    quotes, _, reader = read_all(recording(written(folder, form, data), form, **more))
    assert reader.error is None, reader.error
    return quotes


def error_of(folder: Path, form: str, data: bytes, **more: object) -> str:
    path = written(folder, form, data)
    try:
        _, _, reader = read_all(recording(path, form, **more))
    except ReplayError as exc:
        text = str(exc)
    else:
        assert reader.error is not None
        text = str(reader.error)
    assert str(path) in text
    assert text.isprintable()
    assert len(text) < 900
    return text


def test_every_format_has_a_sample() -> None:
    """So that the tests below are of all of them."""
    assert set(FORMATS) == set(SAMPLES)


@pytest.mark.parametrize("packing", sorted(PACKINGS))
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("said", [True, False])
def test_the_same_ticks_in_every_format_and_packing(tmp_path: Path, form: str, packing: str, said: bool) -> None:
    """Told from its content or said, plain, packed, and in UTF-16: the ticks are the same."""
    path = written(tmp_path, form, packing=packing)
    quotes, crossed, reader = read_all(recording(path, form, format=form if said else None))
    assert (quotes, crossed, reader.error) == (TICKS, 0, None)


@pytest.mark.parametrize("form", FORMS)
def test_a_check_tells_format_symbol_and_first_tick(tmp_path: Path, form: str) -> None:
    """And reads no more than it needs."""
    seen = recording(written(tmp_path, form), form).inspect(SPECS)
    assert (seen.format, seen.symbols, seen.first) == (form, ("EURUSD",), TICKS[0])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("packing", ["plain", "gzip", "zip", "utf-16"])
def test_it_goes_on_where_it_was_after_a_pause(tmp_path: Path, form: str, packing: str) -> None:
    """Closing and opening again neither repeats nor skips a tick."""
    reader = recording(written(tmp_path, form, packing=packing), form).open(SPECS)
    seen: list[Quote] = []
    while not reader.ended:
        reader.open()
        reader.open()
        seen += reader.take(1)[0]
        reader.close()
        reader.close()
    assert seen == TICKS


@pytest.mark.parametrize("form", FORMS)
def test_time_that_runs_backwards_is_a_fault_with_its_line(tmp_path: Path, form: str) -> None:
    """In every format; equal times are sound, as the samples show."""
    swaps = {
        "lean": (b"61002,", b"15680,"),
        "histdata": (b"190101002", b"190015680"),
        "truefx": (b"00:01:01.002", b"00:00:15.680"),
        "mt5": (b"03:01:01.002", b"03:00:15.680"),
        "dukascopy": (b"1399507261002", b"1399507215680"),
        "dukascopy_hour": (b"0,45321", b"0,-1"),
        "quantmind": (b"1399507261002", b"1399507215680"),
    }
    lines = {"lean": 4, "histdata": 4, "truefx": 4, "mt5": 5, "dukascopy": 5, "dukascopy_hour": 1, "quantmind": 7}
    text = error_of(tmp_path, form, SAMPLES[form].replace(*swaps[form]))
    assert f", line {lines[form]}: time runs backwards" in text


@pytest.mark.parametrize("form", [form for form in FORMS if form != "dukascopy_hour"])
@pytest.mark.parametrize("bad", [b"nan", b"inf", b"1_0", b"1e999", b"1,5", b"?", b"1" * 300, b"\xff", b"9" * 19])
def test_what_is_no_price_is_a_fault_with_its_line(tmp_path: Path, form: str, bad: bytes) -> None:
    """Nothing is guessed, whatever float would take."""
    data = SAMPLES[form]
    at = data.rindex(b"1.39118")
    text = error_of(tmp_path, form, data[:at] + bad + data[at + 7 :])
    assert f", line {data[:at].count(10) + 1}: " in text


@pytest.mark.parametrize("form", [form for form in FORMS if form != "lean"])
def test_crossed_quotes_are_counted_and_left_out(tmp_path: Path, form: str) -> None:
    """A bid above the ask."""
    high = b"1.40104"
    data = SAMPLES[form].replace(b'"bids":[0,1,0,2]', b'"bids":[0,1,0,1000]').replace(b"1.39104", high)
    quotes, crossed, reader = read_all(recording(written(tmp_path, form, data), form))
    assert (quotes, crossed, reader.error) == (TICKS[:3], 1, None)


# --- how formats are told ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        b"timestamp,open,high,low,close\n2012-02-01 00:00:00+00:00,1.57608,1.57610,1.57585,1.57585\n",
        b"<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n",
        b"20120201 000000;1.306600;1.306600;1.306560;1.306560;0\n",
        b"2012.02.01,00:00,1.306600,1.306600,1.306560,1.306560,0\n",
        b"20120201,1.3066,1.3066,1.30656,1.30656\n",
        b"2012-02-01 00:00:00+00:00,1.57608,1.57610,1.57585,1.57585\n",
        b"Date,Open,High,Low,Close,Volume\n",
    ],
)
def test_bars_are_refused_as_bars(tmp_path: Path, head: bytes) -> None:
    """Also when the configuration says a format."""
    for form in (None, "truefx"):
        text = error_of(tmp_path, "truefx", head, format=form)
        assert "it holds bars (open, high, low, close) and no ticks" in text


@pytest.mark.parametrize("form", FORMS)
def test_no_sample_looks_like_bars(form: str) -> None:
    """A tick has two prices."""
    assert not looks_like_bars(SAMPLES[form])


@pytest.mark.parametrize(
    "head", [b"hello\n", b"time;bid;ask\n", b"{}\n", b"[1, 2]", b"\x00\x01\x02", b"\x7fELF", b"1,2\n"]
)
def test_an_unknown_format_is_named_by_its_beginning(tmp_path: Path, head: bytes) -> None:
    """With all that there are."""
    text = error_of(tmp_path, "histdata", head)
    assert "line 1 begins none of the formats" in text
    assert all(name in text for name in FORMATS)


def test_a_file_without_ticks_is_refused(tmp_path: Path) -> None:
    """There is nothing to replay."""
    assert "it is empty" in error_of(tmp_path, "histdata", b" \n\n")


def test_a_format_that_is_said_is_not_guessed(tmp_path: Path) -> None:
    """What doesn't fit it is a fault on its line."""
    assert ", line 1: not `YYYYMMDD" in error_of(tmp_path, "histdata", SAMPLES["truefx"], format="histdata")


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("DAT_ASCII_EURUSD_T_201202.csv", "EURUSD"),
        ("nzdusd-2024.csv", "NZDUSD"),
        ("USDJPY_202401010000_202401312359.csv", "USDJPY"),
        ("EURUSD.csv", "EURUSD"),
        ("ticks eurusd.csv", "EURUSD"),
    ],
)
def test_the_file_s_name_says_the_symbol(tmp_path: Path, name: str, symbol: str) -> None:
    """As HistData, MetaTrader and people write it."""
    path = tmp_path / name
    path.write_bytes(SAMPLES["histdata"])
    assert recording(path).inspect(SPECS).symbols == (symbol,)


@pytest.mark.parametrize("name", ["ticks.csv", "EURUSD_NZDUSD.csv", "XEURUSD.csv"])
def test_a_name_that_does_not_say_the_symbol_is_refused(tmp_path: Path, name: str) -> None:
    """Nothing is guessed; `symbol` says it."""
    path = tmp_path / name
    path.write_bytes(SAMPLES["histdata"])
    with pytest.raises(ReplayError, match="write `symbol`, one of EURUSD, NZDUSD, USDJPY"):
        recording(path).inspect(SPECS)
    assert recording(path, symbol="NZDUSD").inspect(SPECS).symbols == ("NZDUSD",)
    with pytest.raises(ReplayError, match="AUDUSD, which this broker does not trade"):
        recording(path, symbol="AUDUSD").inspect(SPECS)


# --- HistData, TrueFX -------------------------------------------------------------------------------------------------


def test_histdata_is_five_hours_behind_utc_in_summer_too(tmp_path: Path) -> None:
    """Eastern Standard Time without daylight saving."""
    for month, msc in ((b"01", 1_388_595_600_000), (b"07", 1_404_234_000_000)):
        (quote,) = quotes_of(tmp_path, "histdata", b"2014%b01 120000000,1.1,1.2,0\n" % month)
        assert quote.time_msc == msc


def test_truefx_with_a_header_and_iso_times(tmp_path: Path) -> None:
    """Fractions may be missing and are cut to milliseconds; the offset may only be UTC."""
    data = (
        b"timestamp,bid,ask\n2014-05-08 00:00:08+00:00,1.1,1.2\n2014-05-08T00:00:08.7159Z,1.1,1.2\n"
        b"2014-05-08 00:00:09.1,1.1,1.2\n"
    )
    assert [q.time_msc - START_MSC for q in quotes_of(tmp_path, "truefx", data)] == [8_000, 8_715, 9_100]
    assert "not `time,bid,ask`" in error_of(tmp_path, "truefx", data + b"2014-05-08 03:00:10+03:00,1.1,1.2\n")
    assert "says that it is UTC" in error_of(tmp_path, "truefx", data, zone=parse_zone("+02:00"))


def test_a_truefx_file_is_of_one_pair(tmp_path: Path) -> None:
    """Its first line says which."""
    data = SAMPLES["truefx"].replace(b"EUR/USD", b"USD/JPY")
    assert {q.symbol for q in quotes_of(tmp_path, "truefx", data)} == {"USDJPY"}
    assert ", line 5: a second pair" in error_of(tmp_path, "truefx", data + SAMPLES["truefx"])
    assert "has ticks of GBPCHF, which this broker does not trade" in error_of(
        tmp_path, "truefx", SAMPLES["truefx"].replace(b"EUR/USD", b"GBP/CHF")
    )


# --- MetaTrader 5 -----------------------------------------------------------------------------------------------------


def test_mt5_needs_the_server_s_zone(tmp_path: Path) -> None:
    """Times that are hours wrong look quite right."""
    path = written(tmp_path, "mt5")
    with pytest.raises(ReplayError, match="write `zone`"):
        recording(path).inspect(SPECS)
    first = recording(path, zone=parse_zone("new_york_close")).inspect(SPECS).first
    assert first == TICKS[0]


def test_mt5_s_empty_cells_are_unchanged(tmp_path: Path) -> None:
    """Bid, ask, last and volume; before there were both prices it is no quote, and counted."""
    rows = [
        b"2014.05.08\t00:00:01.000\t1.1\t\t\t\t2",
        b"2014.05.08\t00:00:02.000\t\t1.2\t\t\t4",
        b"2014.05.08\t00:00:03.000\t\t\t1.15\t3\t24",
        b"2014.05.08\t00:00:04\t1.11\t\t\t\t2",
        b"2014.05.08\t00:00:05.000\t\t\t0.00\t0\t1030",
    ]
    path = written(tmp_path, "mt5", MT5_HEAD + b"\r\n".join(rows))
    quotes, crossed, reader = read_all(recording(path, zone=parse_zone("UTC")))
    assert reader.error is None
    assert crossed == 1
    assert [(q.time_msc - START_MSC, q.bid, q.ask, q.last, q.volume) for q in quotes] == [
        (2000, 1.1, 1.2, 0.0, 0.0),
        (3000, 1.1, 1.2, 1.15, 3.0),
        (4000, 1.11, 1.2, 1.15, 3.0),
        (5000, 1.11, 1.2, 0.0, 0.0),
    ]


def test_mt5_without_flags(tmp_path: Path) -> None:
    """As some tools write it; each line then has six cells."""
    head = MT5_HEAD.replace(b"\t<FLAGS>", b"")
    row = b"2014.05.08\t00:00:01.000\t1.1\t1.2\t\t"
    assert len(quotes_of(tmp_path, "mt5", head + row + b"\r\n")) == 1
    assert ", line 2: not date" in error_of(tmp_path, "mt5", head + row + b"\t6\r\n")


@pytest.mark.parametrize(
    "row",
    [
        b"2014.05.08\t00:00:01.000\t1.1\t1.2",
        b"2014.05.08\t00:00:01.000\t1.1\t1.2\t\t",
        b"2014.05.08\t00:00:01.000\t1.1\t1.2\t\t\t6\t",
        b"2014-05-08\t00:00:01.000\t1.1\t1.2\t\t\t6",
        b"2014.05.08 00:00:01.000 1.1 1.2 0 0 6",
        b"2014.13.08\t00:00:01.000\t1.1\t1.2\t\t\t6",
        b"2014.05.08\t25:00:01.000\t1.1\t1.2\t\t\t6",
        b"2014.05.08\t00:00:61.000\t1.1\t1.2\t\t\t6",
        b"0000.00.00\t00:00:01.000\t1.1\t1.2\t\t\t6",
    ],
)
def test_a_bad_mt5_line_is_a_fault(tmp_path: Path, row: bytes) -> None:
    """Cells that are missing are not taken for empty ones: the line may be torn."""
    assert ", line 2: " in error_of(tmp_path, "mt5", MT5_HEAD + row + b"\r\n")


# --- Dukascopy --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["dukascopy", "dukascopy_hour", "quantmind"])
def test_times_that_are_utc_take_no_other_zone(tmp_path: Path, form: str) -> None:
    """It would shift what is right."""
    assert "has UTC times" in error_of(tmp_path, form, SAMPLES[form], zone=parse_zone("+02:00"))
    assert quotes_of(tmp_path, form, SAMPLES[form], zone=parse_zone("UTC")) == TICKS


@pytest.mark.parametrize("data", [b"[]", b" [ ]\n"])
def test_an_empty_list_of_rows_is_sound(tmp_path: Path, data: bytes) -> None:
    """An hour without a tick."""
    assert quotes_of(tmp_path, "dukascopy", data) == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[[1399507208715,1.2,1.1,1,1]", "line 1: neither a comma nor the end of the list behind a row"),
        (b"[[1399507208715,1.2,1.1,1,1]\n[", "line 2: neither a comma"),
        (b"[[1399507208715,1.2,1.1,1,1],]", "not a row"),
        (b"[[1399507208715,1.2,1.1,1,1]] x", "something stands behind"),
        (b"[\n\n[1399507208715,1.2,1.1,1]]", "line 3: not a row"),
        (b"[[1399507208715,1.2,1.1,1,1],\n[139", "line 2: not a row"),
        (b"[[1399507208715,1.2,null,1,1]]", "not a row"),
        (b"[" + b" " * 70_000 + b"[1399507208715,1.2,1.1,1,1]]", "blanks in a row"),
        (b"[[1399507208715," + b"1" * 300 + b",1.1,1,1]]", "not a row"),
    ],
)
def test_a_bad_row_is_a_fault_with_its_line(tmp_path: Path, data: bytes, said: str) -> None:
    """However the list is broken into lines."""
    assert said in error_of(tmp_path, "dukascopy", data)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"[0,2,-1,3]", b"[0,2,-1]", "4 times, 3 asks and 4 bids"),
        (b"[0,2,-1,3]", b"[0,2,-1,1e3]", "not an hour of ticks"),
        (b"[0,2,-1,3]", b"[0,2,-1,99999999999999999999999]", "not an hour of ticks"),
        (b"1.0E-5", b"0", "not an hour of ticks"),
        (b"1.0E-5", b"1e400", "not an hour of ticks"),
        (b'"times"', b'"tines"', "not an hour of ticks"),
        (b"}", b"", "not an hour of ticks"),
        (b"}", b"} x", "not an hour of ticks"),
    ],
)
def test_a_bad_hour_is_a_fault(tmp_path: Path, old: bytes, new: bytes, said: str) -> None:
    """Nothing of it that would need a guess is given."""
    assert said in error_of(tmp_path, "dukascopy_hour", SAMPLES["dukascopy_hour"].replace(old, new))


def test_an_hour_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read at once."""
    monkeypatch.setattr("quantmind.adapters.mock.recordings.dukascopy.MOST_HOUR_BYTES", 100)
    assert "more than 100 bytes for an hour" in error_of(tmp_path, "dukascopy_hour", SAMPLES["dukascopy_hour"])


# --- our own ----------------------------------------------------------------------------------------------------------

OWN_TWO = OWN_HEAD + (
    b"1399507200001,EURUSD,1.1,1.2,0,0\n1399507200000,NZDUSD,0.8,0.9,0.85,2.5\n1399507200002,EURUSD,1.1,1.3,0,0\n"
)


def test_several_symbols_keep_the_order_of_the_file(tmp_path: Path) -> None:
    """Time may not run back within a symbol; between two brokers' clocks it may."""
    assert quotes_of(tmp_path, "quantmind", OWN_TWO) == [
        Quote("EURUSD", 1.1, 1.2, START_MSC + 1),
        Quote("NZDUSD", 0.8, 0.9, START_MSC, 0.85, 2.5),
        Quote("EURUSD", 1.1, 1.3, START_MSC + 2),
    ]


def test_one_symbol_can_be_picked(tmp_path: Path) -> None:
    """The others are left out, also those that the broker does not trade."""
    data = OWN_TWO + b"1399507200003,GBPCHF,1.1,1.3,0,0\n"
    assert [q.symbol for q in quotes_of(tmp_path, "quantmind", data, symbol="NZDUSD")] == ["NZDUSD"]
    text = error_of(tmp_path, "quantmind", data)
    assert ", line 5: a tick of 'GBPCHF', which this broker does not trade: it has EURUSD, NZDUSD, USDJPY" in text


@pytest.mark.parametrize(
    "left", [b"1399507200003,EURUSD,1.1,1.3,0,0", b"13995", b"#gap", b"\xff\xfe", b"1399507200003,"]
)
def test_a_torn_last_line_is_left_out_and_said(tmp_path: Path, left: bytes) -> None:
    """A kill leaves it; a number that was cut would be another price."""
    quotes, _, reader = read_all(recording(written(tmp_path, "quantmind", OWN_TWO + left)))
    assert (len(quotes), reader.error, reader.text.torn) == (3, None, True)
    assert "torn_at_the_end=true" in reader.told
    quotes, _, reader = read_all(recording(written(tmp_path, "quantmind", OWN_TWO)))
    assert (len(quotes), reader.text.torn) == (3, False)


def test_a_torn_line_elsewhere_is_a_fault(tmp_path: Path) -> None:
    """Only an end can be torn."""
    assert ", line 5: not `UTC ms" in error_of(
        tmp_path, "quantmind", OWN_TWO + b"13995\n1399507200003,EURUSD,1,2,0,0\n"
    )


@pytest.mark.parametrize("form", [form for form in LINE_FORMS if form != "quantmind"])
def test_a_line_that_is_torn_in_another_format_is_a_fault(tmp_path: Path, form: str) -> None:
    """Nobody said that these end so."""
    assert ", line " in error_of(tmp_path, form, SAMPLES[form].rstrip()[:-12])


def test_gaps_that_the_recording_tells_of_are_counted(tmp_path: Path) -> None:
    """For the log at the end."""
    _, _, reader = read_all(recording(written(tmp_path, "quantmind")))
    assert reader.text.gaps == 1
    assert "gaps=1" in reader.told


@pytest.mark.parametrize(
    ("head", "said"),
    [(b"#quantmind-ticks 2\n", "version 2 of the format, this one reads 1"), (b"#quantmind-ticks x\n", "none of the")],
)
def test_another_version_is_refused(tmp_path: Path, head: bytes, said: str) -> None:
    """It may mean something else."""
    assert said in error_of(tmp_path, "quantmind", head + b"1399507200001,EURUSD,1.1,1.2,0,0\n")


def test_mt5_s_repeated_hour_in_autumn(tmp_path: Path) -> None:
    """When clocks are set back, time that would run back is the second time round."""
    rows = [b"00:59:59.000", b"03:59:59.000", b"03:00:00.000", b"03:30:00.000", b"04:00:00.000"]
    data = MT5_HEAD + b"".join(b"2014.10.26\t%b\t1.1\t1.2\t\t\t6\r\n" % at for at in rows)
    times = [q.time_msc for q in quotes_of(tmp_path, "mt5", data, zone=ZONES["mt5"])]
    midnight_utc = 1_414_281_600_000
    assert [(at - midnight_utc) / 3_600_000 for at in times[2:]] == [1.0, 1.5, 2.0]
    assert times[1] == midnight_utc + 3_600_000 - 1000
