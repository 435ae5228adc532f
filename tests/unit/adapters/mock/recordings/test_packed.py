"""What is packed, without trust: bombs, torn ends, garbage, files that are none."""

from __future__ import annotations

import gzip
import os
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
from sample_recordings import SAMPLES, SPECS, TICKS, name_of, read_all, recording, written, zipped

from quantmind.adapters.mock import ReplayError
from quantmind.adapters.mock.recordings import packed

NAME = name_of("lean")
DAY = b"".join(b"%d,1.1,1.2\n" % n for n in range(50_000))


def put(folder: Path, data: bytes, name: str = "ticks.zip") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def archive(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "ticks.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def error_of(path: Path) -> str:
    try:
        _, _, reader = read_all(recording(path), limit=1000)
    except ReplayError as exc:
        return str(exc)
    assert reader.error is not None
    return str(reader.error)


# --- zip --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [{}, {"a.txt": b"", "b.txt": b""}, {NAME: b"", "b.csv": b""}, {"a/": b""}])
def test_a_zip_holds_one_recording(tmp_path: Path, members: dict[str, bytes]) -> None:
    """Not none and not two."""
    assert "must hold one recording" in error_of(archive(tmp_path, members))


def test_a_note_beside_the_recording_is_sound(tmp_path: Path) -> None:
    """HistData packs one."""
    quotes, _, _ = read_all(
        recording(archive(tmp_path, {"x/": b"", f"x/{NAME}": SAMPLES["lean"], "x/status.txt": b"hi"}))
    )
    assert quotes == TICKS


def test_a_zip_of_too_many_files_is_refused_before_it_is_listed(tmp_path: Path) -> None:
    """A directory can be larger than the memory."""
    path = archive(tmp_path, {f"{n}.txt": b"" for n in range(packed.MOST_MEMBERS + 1)})
    assert "holds 65 files" in error_of(path)
    data = bytearray(zipped(SAMPLES["lean"], NAME))
    end = data.rindex(b"PK\x05\x06")
    struct.pack_into("<L", data, end + 12, 1 << 30)
    assert "at most 64 are looked at" in error_of(put(tmp_path, bytes(data)))


def test_a_zip64_is_refused(tmp_path: Path) -> None:
    """Its directory says its sizes elsewhere."""
    data = zipped(SAMPLES["lean"], NAME)
    end = data.rindex(b"PK\x05\x06")
    locator = b"PK\x06\x07" + bytes(16)
    assert "zip64" in error_of(put(tmp_path, data[:end] + locator + data[end:]))


def test_a_method_that_needs_much_memory_is_refused(tmp_path: Path) -> None:
    """Deflate is what everybody has."""
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert "pack it with deflate" in error_of(put(tmp_path, zipped(SAMPLES["lean"], NAME, method)))


def test_an_encrypted_zip_is_said_to_be_one(tmp_path: Path) -> None:
    """We have no password for it."""
    data = bytearray(zipped(SAMPLES["lean"], NAME))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    assert "is not sound" in error_of(put(tmp_path, bytes(data)))


def test_a_flipped_byte_in_a_zip_is_found(tmp_path: Path) -> None:
    """By the checksum, at the latest when the end is read."""
    data = bytearray(zipped(DAY, NAME, zipfile.ZIP_STORED))
    data[data.index(b"40000,1.1,1.2") + 7] = ord("9")
    text = error_of(put(tmp_path, bytes(data)))
    assert "is not sound" in text
    assert NAME in text


# --- gzip -------------------------------------------------------------------------------------------------------------


def test_gzip_members_follow_each_other(tmp_path: Path) -> None:
    """Also with the zeros that a tape fills up with."""
    first, second = SAMPLES["lean"][:20], SAMPLES["lean"][20:]
    data = gzip.compress(first) + gzip.compress(b"") + gzip.compress(second) + bytes(100)
    assert read_all(recording(put(tmp_path, data, f"{NAME}.gz")))[0] == TICKS


@pytest.mark.parametrize("form", ["lean", "dukascopy", "dukascopy_hour"])
def test_a_gzip_that_ends_too_early_is_a_fault(tmp_path: Path, form: str) -> None:
    """Of its ticks those that were there are given."""
    data = gzip.compress(SAMPLES[form])
    assert "the gzip file ends before its end" in error_of(put(tmp_path, data[:-9], f"{name_of(form)}.gz"))


def test_our_own_recording_may_end_too_early(tmp_path: Path) -> None:
    """A kill does that to it; what was flushed is there."""
    squeeze = zlib.compressobj(wbits=31)
    data = squeeze.compress(SAMPLES["quantmind"]) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    quotes, _, reader = read_all(recording(put(tmp_path, data, "day.ticks.gz")))
    assert (quotes, reader.error, reader.text.torn) == (TICKS, None, True)


@pytest.mark.parametrize("at", [3, 30, -6])
def test_garbage_in_a_gzip_is_a_fault(tmp_path: Path, at: int) -> None:
    """In the header, the data and the checksum."""
    data = bytearray(gzip.compress(DAY))
    data[at] ^= 0xFF
    assert str(tmp_path) in error_of(put(tmp_path, bytes(data), f"{NAME}.gz"))


def test_garbage_behind_a_gzip_is_a_fault(tmp_path: Path) -> None:
    """It may be what was to be the next member."""
    assert "is not sound" in error_of(put(tmp_path, gzip.compress(SAMPLES["lean"]) + b"hello", f"{NAME}.gz"))


def test_an_endless_row_of_empty_members_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be read for ever without giving a byte."""
    monkeypatch.setattr(packed, "MOST_GZIP_MEMBERS", 100)
    data = gzip.compress(SAMPLES["lean"]) + gzip.compress(b"") * 200
    assert "more than 100 gzip members" in error_of(put(tmp_path, data, f"{NAME}.gz"))


# --- both -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gzip", "zip"])
@pytest.mark.parametrize("filling", [b"\n", b"8715,1.1,1.2\n"])
def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path, kind: str, filling: bytes) -> None:
    """Without a byte on the disk, and after a few MiB."""
    data = SAMPLES["lean"][:21] + filling * (8 * 1024 * 1024 // len(filling))
    path = put(tmp_path, gzip.compress(data), f"{NAME}.gz") if kind == "gzip" else put(tmp_path, zipped(data, NAME))
    assert "more than 250 times its size" in error_of(path)
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["gzip", "zip"])
def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Counted while it is read, whatever it says of itself."""
    monkeypatch.setattr(packed, "MOST_BYTES", 100_000)
    path = put(tmp_path, gzip.compress(DAY), f"{NAME}.gz") if kind == "gzip" else put(tmp_path, zipped(DAY, NAME))
    assert "more than 100000 bytes" in error_of(path)


@pytest.mark.parametrize("packing", ["plain", "gzip", "zip", "utf-16"])
def test_an_endless_line_is_a_fault(tmp_path: Path, packing: str) -> None:
    """It is never held as a whole."""
    data = SAMPLES["lean"] + b"7" * 300_000
    assert ", line 5: a line of more than 256 bytes" in error_of(written(tmp_path, "lean", data, packing))


def test_broken_utf_16_is_a_fault_on_its_line(tmp_path: Path) -> None:
    """Half a sign, and half a pair of signs."""
    text = SAMPLES["lean"].decode().encode("utf-16-le")
    for broken in (text[:-1], text[:-2] + b"\x00\xd8"):
        assert ", line " in error_of(put(tmp_path, b"\xff\xfe" + broken, NAME))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With the reason."""
    assert "no.csv can't be read: there is no such file" in error_of(tmp_path / "no.csv")


def test_a_folder_is_no_recording(tmp_path: Path) -> None:
    """It can't be read either."""
    assert "it is a folder" in error_of(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_a_pipe_is_no_recording(tmp_path: Path) -> None:
    """Opening it would wait for ever."""
    path = tmp_path / NAME
    os.mkfifo(path)
    assert "it is no file" in error_of(path)


def test_a_file_that_went_away_is_said_when_it_is_opened_again(tmp_path: Path) -> None:
    """After a pause."""
    path = written(tmp_path, "lean")
    reader = recording(path).open(SPECS)
    reader.take(1)
    reader.close()
    path.unlink()
    with pytest.raises(ReplayError, match="no such file"):
        reader.open()
