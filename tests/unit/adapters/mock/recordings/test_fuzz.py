"""Whatever the bytes are: sound quotes or a ReplayError that names the file, and an end."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from examples import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sample_recordings import SAMPLES, SPECS, START_MSC, ZONES, name_of, recording, zipped

from quantmind.adapters.mock import ReplayError
from quantmind.adapters.mock.recordings import histdata, lean, mt5, parse_zone, truefx
from quantmind.adapters.mock.recordings.errors import Fault
from quantmind.adapters.mock.recordings.text import Parse, Raw

EXAMPLES = examples(2_000, 500)
MOST_TAKES = 3000
"""Of 64 lines each, far more than any of these files has: reading must end."""
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
closer = settings(fuzz, max_examples=EXAMPLES // 5)
"""For what is dear to make: nearly right lines and files."""
UTC = parse_zone("UTC")


def after_header(zone: object) -> Parse:
    parse = mt5.parser(ZONES["mt5"])
    assert parse(b"<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\n") is None
    return parse


PARSERS: dict[str, Callable[[], Parse]] = {
    "lean": partial(lean.parser, START_MSC),
    "histdata": partial(histdata.parser, UTC),
    "truefx": partial(truefx.parser, UTC),
    "mt5": partial(mt5.parser, UTC),
    "mt5 after its header": partial(after_header, UTC),
}
ALPHABETS = {
    "lean": "0123456789.,-+eE_ naif\r\t\n",
    "histdata": "0123456789., -e\n",
    "truefx": "0123456789.,:/ TZ+-EURUSD\n",
    "mt5": "0123456789.:\t -e\r\n",
}


def check_line(parse: Parse, line: bytes) -> None:
    raw: Raw | None = None
    said = ""
    try:
        raw = parse(line)
    except Fault as fault:
        said = str(fault)
    assert said.isprintable()
    assert len(said) < 400
    if raw is not None:
        name, at, *numbers = raw
        assert name == b""
        assert 0 <= at < 10**13
        assert all(isinstance(number, float) for number in numbers)


@pytest.mark.parametrize("form", sorted(PARSERS))
@given(lines=st.lists(st.binary(max_size=140), min_size=1, max_size=3))
@example(lines=["\u0661,\u0661,\u0661".encode()])
@fuzz
def test_a_line_of_any_bytes_is_a_tick_or_a_fault(form: str, lines: list[bytes]) -> None:
    """And nothing else is raised."""
    parse = PARSERS[form]()
    for line in lines:
        check_line(parse, line)


@pytest.mark.parametrize("form", sorted(PARSERS))
@given(data=st.data())
@closer
def test_nearly_right_lines_are_ticks_or_faults(form: str, data: st.DataObject) -> None:
    """Bytes that look like what belongs there, and sound lines with a piece exchanged."""
    alphabet = ALPHABETS[form.partition(" ")[0]]
    parse = PARSERS[form]()
    samples = SAMPLES[form.partition(" ")[0]].splitlines(keepends=True)
    for line in data.draw(st.lists(st.sampled_from(samples), min_size=1, max_size=4)):
        at = data.draw(st.integers(0, len(line)))
        piece = data.draw(st.text(alphabet, max_size=8)).encode()
        check_line(parse, line[:at] + piece + line[at + data.draw(st.integers(0, 6)) :])


def read_or_refuse(path: Path, form: str | None = None, *, said: bool = False) -> None:
    """Every quote is sound, every error names the file, and reading ends."""
    zone = parse_zone("Europe/Athens") if form == "mt5" else None
    refused: ReplayError | None = None
    try:
        reader = recording(path, zone=zone, format=form if said else None).open(SPECS)
    except ReplayError as exc:
        refused = exc
    if refused is not None:
        assert str(path) in str(refused)
        return
    try:
        for _ in range(MOST_TAKES):
            quotes, crossed = reader.take(64)
            assert crossed >= 0
            assert all(0 < quote.bid <= quote.ask <= 1e12 and quote.symbol in SPECS for quote in quotes)
            if reader.ended or reader.error is not None:
                break
        else:
            raise AssertionError("reading does not end")
        if reader.error is not None:
            text = str(reader.error)
            assert str(path) in text
            assert text.isprintable()
            assert len(text) < 1200
    finally:
        reader.close()


def put(folder: Path, data: bytes, name: str) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@given(form=st.sampled_from(sorted(SAMPLES)), data=st.binary(max_size=400), said=st.booleans())
@fuzz
def test_a_file_of_any_bytes_is_read_or_refused(tmp_path: Path, form: str, data: bytes, said: bool) -> None:
    """Whether the format is told or said."""
    read_or_refuse(put(tmp_path, data, name_of(form)), form, said=said)


@st.composite
def spoilt(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes with pieces exchanged, doubled, cut out, or cut off."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        upto = draw(st.integers(at, min(len(data), at + 12)))
        piece = draw(st.one_of(st.binary(max_size=6), st.just(data[at:upto] * 2), st.sampled_from(PIECES)))
        data = data[:at] + piece + data[upto:]
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


PIECES = [
    b"\n",
    b",",
    b"-",
    b"1e308",
    b"]",
    b"[",
    b"{",
    b"\0",
    b"\xff\xfe",
    b" " * 300,
    b"9" * 30,
    b"#gap\n",
    b"1e-400",
    b"\t",
]


@given(form=st.sampled_from(sorted(SAMPLES)), draw=st.data())
@closer
def test_a_spoilt_recording_is_read_or_refused(tmp_path: Path, form: str, draw: st.DataObject) -> None:
    """Nearly right is where mistakes are."""
    data = draw.draw(spoilt(SAMPLES[form]))
    if draw.draw(st.booleans()):
        data = b"\xff\xfe" + data.decode("latin-1").encode("utf-16-le")
    read_or_refuse(put(tmp_path, data, name_of(form)), form)


@given(kind=st.sampled_from(["gzip", "zip", "stored"]), draw=st.data())
@closer
def test_a_spoilt_packing_is_read_or_refused(tmp_path: Path, kind: str, draw: st.DataObject) -> None:
    """Lengths, directories, checksums and all."""
    form = draw.draw(st.sampled_from(sorted(SAMPLES)))
    data, name = SAMPLES[form], name_of(form)
    packed = gzip.compress(data, mtime=0) if kind == "gzip" else zipped(data, name, 0 if kind == "stored" else 8)
    spoiled = draw.draw(spoilt(packed))
    read_or_refuse(put(tmp_path, spoiled, f"{name}.gz" if kind == "gzip" else "day.zip"), form)
