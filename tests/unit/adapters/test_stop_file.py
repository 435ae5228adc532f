"""The file STOP: whatever is there by that name counts, and its first line is harmless."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quantmind.adapters.stop_file import StopFile


async def test_there_or_not(tmp_path: Path) -> None:
    """None without it, its first line with it, nothing for an empty one."""
    file = StopFile(tmp_path / "STOP")
    assert await file.look() is None
    (tmp_path / "STOP").touch()
    assert await file.look() == ""
    (tmp_path / "STOP").write_text("the feed is odd\nsecond line\n", encoding="utf-8")
    assert await file.look() == "the feed is odd"
    (tmp_path / "STOP").unlink()
    assert await file.look() is None
    assert await StopFile(tmp_path / "nowhere" / "STOP").look() is None


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"\xef\xbb\xbfflatten\r\n", "flatten"),
        ("flatten\r\n".encode("utf-16"), "flatten"),
        (b"\n\nlater", ""),
        (b"a\x1b[31m\tb\x00c", "a [31m b c"),
        (b"\xff\xf0\x80", "\ufffd\ufffd\ufffd"),
        (b"x" * 10_000, "x" * 200),
    ],
)
async def test_the_first_line(tmp_path: Path, data: bytes, line: str) -> None:
    """Whoever wrote it, with whatever: printable, at most 200 characters."""
    (tmp_path / "STOP").write_bytes(data)
    assert await StopFile(tmp_path / "STOP").look() == line


async def test_with_the_ending_that_windows_hides(tmp_path: Path) -> None:
    """An editor makes STOP.txt of it, and whoever made it thinks that trading has stopped."""
    (tmp_path / "STOP.txt").write_text("flatten", encoding="utf-8")
    assert await StopFile(tmp_path / "STOP").look() == "flatten"


async def test_what_cannot_be_read_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, a link to nothing, a file that nobody may open, a folder that can't be looked into."""
    path = tmp_path / "STOP"
    path.mkdir()
    assert await StopFile(path).look() == ""
    path.rmdir()
    path.write_text("hidden", encoding="utf-8")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", denied)
        assert await StopFile(path).look() == ""
    with monkeypatch.context() as patched:
        patched.setattr(Path, "lstat", denied)
        assert await StopFile(path).look() == ""


@pytest.mark.skipif(os.name != "posix", reason="links and pipes by name are of POSIX")
async def test_links_and_pipes_are_there(tmp_path: Path) -> None:
    """A link to nothing counts, and a pipe hangs nobody."""
    path = tmp_path / "STOP"
    path.symlink_to(tmp_path / "nowhere")
    assert await StopFile(path).look() == ""
    path.unlink()
    os.mkfifo(path)
    assert await StopFile(path).look() == ""
