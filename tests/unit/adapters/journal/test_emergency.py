"""The emergency file: room taken in time, frames that are whole or not there, and damage that stays where it is."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantmind.adapters.journal import emergency
from quantmind.adapters.journal.emergency import BLOCK, SIZE, EmergencyFile, EmergencyFull, scan

SMALL = 16 * BLOCK


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.emergency"


@contextlib.contextmanager
def opened(path: Path, size: int = SMALL) -> Iterator[EmergencyFile]:
    file = EmergencyFile.open(path, size)
    try:
        yield file
    finally:
        file.close()


def payloads(file: EmergencyFile) -> list[bytes]:
    return [frame.payload for frame in file.found]


def test_room_is_taken_at_the_beginning(path: Path) -> None:
    """The file has its whole size on disk from the start, and never grows, whatever is written and cleared."""
    with opened(path, SIZE) as file:
        if hasattr(os.stat_result, "st_blocks"):
            assert path.stat().st_blocks * 512 >= SIZE
        for _ in range(3):
            for n in range(20):
                file.append(b"x" * n * 1000)
            file.sync()
            file.clear()
        assert path.stat().st_size == SIZE
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600


def test_what_was_written_is_found(path: Path) -> None:
    """Frames come back in order with their numbers, and more go behind them."""
    with opened(path) as file:
        assert (payloads(file), file.torn, file.used) == ([], 0, 0)
        assert [file.append(text) for text in (b"one", b"", b"3" * 2 * BLOCK)] == [1, 2, 3]
    with opened(path) as file:
        assert payloads(file) == [b"one", b"", b"3" * 2 * BLOCK]
        assert [frame.sequence for frame in file.found] == [1, 2, 3]
        assert file.append(b"four") > 3, "a number that no frame before can have had"
    with opened(path) as file:
        assert payloads(file)[-1] == b"four"
        assert len({frame.generation for frame in file.found}) == 1


def test_cleared_is_gone(path: Path) -> None:
    """After a clearing nothing of before is found, the numbers begin again, and the generation is another."""
    with opened(path) as file:
        file.append(b"before")
        generation = file.generation
        file.clear()
        assert file.generation != generation
        assert file.append(b"after") == 1
    with opened(path) as file:
        assert payloads(file) == [b"after"]
        file.clear()
    with opened(path) as file:
        assert (payloads(file), file.used) == ([], 0)


def test_a_full_file_takes_nothing_and_loses_nothing(path: Path) -> None:
    """What finds no room is refused by name, and what is in it stays."""
    with opened(path) as file:
        for _ in range(16):
            file.append(b"x")
        with pytest.raises(EmergencyFull, match=r"journal\.emergency is full \(64 KiB\)"):
            file.append(b"x")
    with opened(path) as file:
        assert len(payloads(file)) == 16
        file.clear()
        with pytest.raises(EmergencyFull):
            file.append(b"x" * SMALL)
        file.append(b"x" * (SMALL - 100))


def test_a_torn_write_loses_itself_alone(path: Path) -> None:
    """A last frame of which only a part was written shows, and the next one takes the place behind it."""
    with opened(path) as file:
        file.append(b"first")
        file.append(b"t" * 3 * BLOCK)
    with path.open("r+b") as raw:
        raw.seek(2 * BLOCK)
        raw.write(bytes(4 * BLOCK))
    with opened(path) as file:
        assert (payloads(file), file.torn) == ([b"first"], 1)
        assert file.append(b"third") > 2
    with opened(path) as file:
        assert payloads(file) == [b"first", b"third"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    sizes=st.lists(st.integers(0, 2 * BLOCK), min_size=1, max_size=5),
    block=st.integers(0, 15),
    at=st.integers(0, BLOCK - 1),
    junk=st.binary(min_size=1, max_size=64),
)
def test_damage_anywhere_loses_only_what_it_hits(
    path: Path, sizes: list[int], block: int, at: int, junk: bytes
) -> None:
    """Whatever is overwritten, each frame that it did not touch is found as it was, and no other one."""
    path.unlink(missing_ok=True)
    written = [bytes([n + 1]) * size for n, size in enumerate(sizes)]
    places = []
    with opened(path) as file:
        for payload in written:
            places.append(file.used)
            file.append(payload)
        places.append(file.used)
    before = path.read_bytes()
    with path.open("r+b") as raw:
        raw.seek(block * BLOCK + at)
        raw.write(junk)
    after = path.read_bytes()[: len(before)]
    whole = [
        payload
        for payload, begin, end in zip(written, places, places[1:], strict=False)
        if before[begin : begin + 28 + len(payload)] == after[begin : begin + 28 + len(payload)]
    ]
    assert [frame.payload for frame in scan(after)[0]] == whole


def test_a_file_that_is_too_small_is_made_larger(path: Path) -> None:
    """A file that was cut short gets its size back, and keeps what is in it; so does one with half a block."""
    with opened(path) as file:
        file.append(b"kept")
    for cut in (BLOCK, BLOCK + 100):
        os.truncate(path, cut)
        with opened(path) as file:
            assert (payloads(file), file.size, path.stat().st_size) == ([b"kept"], SMALL, SMALL)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no open file")
@pytest.mark.parametrize("act", ["append", "clear"])
def test_a_file_that_went_away_takes_nothing(path: Path, act: str) -> None:
    """What would be written to a file that nobody can find again is refused."""
    with opened(path) as file:
        path.unlink()
        with pytest.raises(FileNotFoundError):
            file.append(b"x") if act == "append" else file.clear()
        path.write_bytes(b"another")
        with pytest.raises(OSError, match="replaced"):
            file.append(b"x") if act == "append" else file.clear()
        assert path.read_bytes() == b"another"


def test_a_failed_write_leaves_its_place_to_the_next(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that could not be written is not there, and the one after it is."""
    with opened(path) as file:
        file.append(b"one")
        write = emergency._write

        def half(raw: object, at: int, data: bytes) -> None:
            write(raw, at, data[: len(data) // 2])  # type: ignore[arg-type]
            raise OSError("the disk is gone")

        monkeypatch.setattr(emergency, "_write", half)
        with pytest.raises(OSError, match="gone"):
            file.append(b"t" * 2 * BLOCK)
        monkeypatch.undo()
        assert file.append(b"two") == 2
        file.renew()
    with opened(path) as file:
        assert payloads(file) == [b"one", b"two"]


def test_without_room_at_the_beginning(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that can't have its size is not left behind to fill the disk; one that is there is used as it is."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(emergency, "_write", full)
    with pytest.raises(OSError, match="No space"):
        EmergencyFile.open(path, SMALL)
    assert not path.exists()
    monkeypatch.undo()
    with opened(path, 2 * BLOCK) as file:
        file.append(b"kept")
    monkeypatch.setattr(emergency, "_write", full)
    with opened(path) as file:
        assert (payloads(file), file.size, path.stat().st_size) == ([b"kept"], 2 * BLOCK, 2 * BLOCK)
