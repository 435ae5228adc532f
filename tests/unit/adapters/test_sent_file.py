"""What a worker has sent: whatever moment it is killed at, the next one knows what may have got through."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.adapters.sent_file import KEEP_S, Sent, SentFile, SentFileError


class Wall:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_the_next_worker_knows(tmp_path: Path) -> None:
    """What went out, what was answered, and with what."""
    wall, path = Wall(), tmp_path / "sent"
    first = SentFile.open(path, wall)
    first.going("a", {"type": "order_send", "volume": "0.1"})
    wall.now += 1
    first.answered("a", {"retcode": 10009})
    first.going("b", {"type": "order_cancel"})
    second = SentFile.open(path, wall)  # nobody closed the first: it was killed
    assert second.get("a") == Sent(
        "a", 1_000_000.0, {"type": "order_send", "volume": "0.1"}, wall.now, {"retcode": 10009}
    )
    assert second.get("b") == Sent("b", wall.now, {"type": "order_cancel"})
    assert second.get("c") is None
    assert second.requests == (second.get("a"), second.get("b"))
    second.answered("b", {"retcode": 10013})
    wall.now += 1
    third = SentFile.open(path, wall)
    assert third.since == 1_000_000.0
    assert third.get("b") == Sent("b", wall.now - 1, {"type": "order_cancel"}, wall.now - 1, {"retcode": 10013})
    for each in (first, second, third):
        each.close()
        each.close()


@given(st.integers(0, 400))
def test_a_cut_anywhere_loses_only_the_last(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """A kill in the middle of a write: every line before it counts, and the next one begins a line of its own."""
    wall, path = Wall(), tmp_path_factory.mktemp("sent") / "sent"
    opened = SentFile.open(path, wall)
    for tag in "abc":
        opened.going(tag, {"number": ord(tag)})
        opened.answered(tag, {"done": tag})
    opened.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    with path.open("ab") as file:  # as another worker goes on writing to it
        file.write(b"\n" + json.dumps({"tag": "z", "at": wall.now, "what": {}}).encode() + b"\n")
    again = SentFile.open(path, wall)
    assert again.get("z") == Sent("z", wall.now, {})
    known = [tag for tag in "abc" if again.get(tag) is not None]
    assert known == list("abc")[: len(known)]
    for tag in known[:-1]:
        one = again.get(tag)
        assert one is not None
        assert (one.what, one.answer) == ({"number": ord(tag)}, {"done": tag})
    again.close()


def test_it_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is older than a week goes, and the file is written anew when it is large."""
    monkeypatch.setattr("quantmind.adapters.sent_file.REWRITE_BYTES", 20_000)
    wall, path = Wall(), tmp_path / "sent"
    opened = SentFile.open(path, wall)
    for number in range(2000):
        wall.now += KEEP_S / 100
        opened.going(f"t{number}", {"number": number})
        assert path.stat().st_size < 60_000
    opened.close()
    again = SentFile.open(path, wall)
    assert again.get("t1999") is not None
    assert again.get("t0") is None
    assert again.since == wall.now - KEEP_S
    again.close()


def test_a_large_file_is_not_written_anew_for_each_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it keeps may be larger than the size at which it is written anew; each time takes long, and holds up all."""
    monkeypatch.setattr("quantmind.adapters.sent_file.REWRITE_BYTES", 20_000)
    synced: list[int] = []
    monkeypatch.setattr("quantmind.adapters.sent_file.os.fsync", synced.append)
    opened = SentFile.open(tmp_path / "sent", Wall())
    for number in range(3000):
        opened.going(f"t{number}", {"number": number})
    opened.close()
    assert len(synced) < 10


def test_more_than_it_keeps_is_not_called_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what was dropped it knows nothing, and says so."""
    monkeypatch.setattr("quantmind.adapters.sent_file.MOST", 10)
    wall, path = Wall(), tmp_path / "sent"
    opened = SentFile.open(path, wall)
    for number in range(30):
        wall.now += 1
        opened.going(f"t{number}", {})
    opened.close()
    again = SentFile.open(path, wall)
    assert again.get("t19") is None
    assert again.get("t20") is not None
    assert again.since == again.get("t20").at  # type: ignore[union-attr]
    again.close()


def test_a_clock_that_was_set_back(tmp_path: Path) -> None:
    """Nothing is old by that: the other clock tells how long ago it was at least."""
    wall, steady = Wall(), Wall()
    opened = SentFile.open(tmp_path / "sent", wall, steady)
    wall.now += 10
    steady.now += 10
    assert opened.whole_for() == 10
    opened.going("a", {})
    wall.now -= 86_400
    steady.now += 5
    one = opened.get("a")
    assert one is not None
    assert (opened.age_of(one), opened.whole_for()) == (5, 15)
    opened.close()
    again = SentFile.open(tmp_path / "sent", wall, steady)
    one = again.get("a")
    assert one is not None
    steady.now += 7
    assert again.age_of(one) == 7
    again.close()


def test_a_clock_that_was_set_forward(tmp_path: Path) -> None:
    """What this process has sent is not older by that, nor is a file older that it began."""
    wall, steady = Wall(), Wall()
    opened = SentFile.open(tmp_path / "sent", wall, steady)
    opened.going("a", {})
    wall.now += 86_400
    steady.now += 5
    one = opened.get("a")
    assert one is not None
    opened.answered("a", {"pending": True})
    assert (opened.age_of(one), opened.age_of(opened.requests[0]), opened.whole_for()) == (5, 5, 5)
    opened.close()
    again = SentFile.open(tmp_path / "sent", wall, steady)
    one = again.get("a")
    assert one is not None
    assert (again.age_of(one), again.whole_for()) == (86_400, 86_400)
    again.close()


def test_what_cant_be_written_must_not_go(tmp_path: Path) -> None:
    """The request is not remembered as sent; and a folder that is not there is said at once."""
    with pytest.raises(SentFileError, match="can't be used"):
        SentFile.open(tmp_path / "no" / "sent", Wall())
    opened = SentFile.open(tmp_path / "sent", Wall())
    assert opened._descriptor is not None
    os.close(opened._descriptor)
    with pytest.raises(SentFileError, match="can't be written"):
        opened.going("a", {})
    assert opened.get("a") is None
    opened.answered("a", {})
    opened._descriptor = None


def test_without_a_file_it_remembers_until_the_end() -> None:
    """A worker that is run by hand may have none."""
    opened = SentFile.open(None, Wall())
    opened.going("a", {})
    opened.answered("a", {"retcode": 1})
    one = opened.get("a")
    assert one is not None
    assert one.answer == {"retcode": 1}


def test_others_cannot_read_it(tmp_path: Path) -> None:
    """It names orders."""
    if os.name != "posix":
        pytest.skip("file modes are POSIX")
    SentFile.open(tmp_path / "sent", Wall()).close()
    assert (tmp_path / "sent").stat().st_mode & 0o077 == 0
