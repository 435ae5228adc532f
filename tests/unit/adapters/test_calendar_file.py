"""The calendar's file: read when it has changed and stayed, and whatever is wrong with it takes nothing away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quantmind.adapters import calendar_file
from quantmind.adapters.calendar_file import CalendarFile
from quantmind.ports import CalendarReading

GOOD = "time,currency,impact,title\n2026-11-23T13:30:00Z,USD,high,one\n"
MORE = GOOD + "2026-11-24T13:30:00Z,USD,high,two\n"


def put(path: Path, text: str, at: int) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (at, at))


def titles(reading: CalendarReading) -> list[str]:
    return [] if reading.calendar is None else [event.title for event in reading.calendar.events]


async def test_it_is_read_once_and_again_when_it_changes(tmp_path: Path) -> None:
    """A change counts when the next look finds it as it was; its time is the file's own."""
    path = tmp_path / "news.csv"
    put(path, GOOD, 1000)
    file = CalendarFile(path)
    first = await file.look()
    assert (titles(first), first.error) == (["one"], None)
    assert first.calendar is not None
    assert first.calendar.refreshed_at == 1000
    assert (await file.look()).calendar is first.calendar
    put(path, MORE, 2000)
    assert titles(await file.look()) == ["one"]
    second = await file.look()
    assert (titles(second), second.error) == (["one", "two"], None)
    put(path, MORE, 3000)  # the same, refreshed
    await file.look()
    third = await file.look()
    assert third.calendar is not None
    assert third.calendar.refreshed_at == 3000


async def test_one_that_is_being_written(tmp_path: Path) -> None:
    """While it changes from look to look the old one stays, and after the second of them that is said."""
    path = tmp_path / "news.csv"
    put(path, GOOD, 1000)
    file = CalendarFile(path)
    await file.look()
    for number in range(4):
        put(path, MORE[: 40 + 10 * number], 2000 + number)
        reading = await file.look()
        assert titles(reading) == ["one"]
        assert (reading.error is None) is (number == 0)
    put(path, MORE, 2100)
    await file.look()
    assert titles(await file.look()) == ["one", "two"]


async def test_one_that_goes_back_to_what_it_was(tmp_path: Path) -> None:
    """No error stays of a change that was taken back."""
    path = tmp_path / "news.csv"
    put(path, GOOD, 1000)
    file = CalendarFile(path)
    await file.look()
    for at in (2000, 2001):
        put(path, "half", at)
        await file.look()
    put(path, GOOD, 1000)
    await file.look()
    reading = await file.look()
    assert (titles(reading), reading.error) == (["one"], None)


async def test_a_write_between_stat_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not the file that was looked at is not taken for it."""
    path = tmp_path / "news.csv"
    put(path, GOOD, 1000)
    real = calendar_file._stamp
    stamps = iter([(len(GOOD) - 5, 999)])
    monkeypatch.setattr(calendar_file, "_stamp", lambda found: next(stamps, real(found)))
    file = CalendarFile(path)
    reading = await file.look()
    assert (reading.calendar, reading.error) == (None, "it is still being written")
    assert titles(await file.look()) == ["one"]


async def test_a_broken_one_keeps_the_old_and_says_why(tmp_path: Path) -> None:
    """Also over many looks; it is parsed once, and a whole one ends it."""
    path = tmp_path / "news.csv"
    put(path, GOOD, 1000)
    file = CalendarFile(path)
    await file.look()
    put(path, GOOD + "2026-11-24T13:30:00Z,US", 2000)
    for _ in range(4):
        reading = await file.look()
    assert titles(reading) == ["one"]
    assert reading.calendar is not None
    assert reading.calendar.refreshed_at == 1000
    assert (reading.error or "").startswith("line 3, currency: 'US' is none")
    put(path, MORE, 3000)
    await file.look()
    reading = await file.look()
    assert (titles(reading), reading.error) == (["one", "two"], None)


async def test_one_that_is_not_there(tmp_path: Path) -> None:
    """At first, or gone later: said, and read when it comes."""
    path = tmp_path / "news.csv"
    file = CalendarFile(path)
    reading = await file.look()
    assert reading.calendar is None
    assert "can't be read (No such file" in (reading.error or "")
    put(path, GOOD, 1000)
    await file.look()
    reading = await file.look()
    assert (titles(reading), reading.error) == (["one"], None)
    path.unlink()
    reading = await file.look()
    assert titles(reading) == ["one"]
    assert reading.error is not None
    put(path, GOOD, 1000)
    await file.look()
    assert (await file.look()).error is None


async def test_what_is_no_file_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, and more bytes than are read, are refused without reading."""
    assert (await CalendarFile(tmp_path).look()).error == "it is no file"
    path = tmp_path / "news.csv"
    put(path, GOOD, 1000)
    monkeypatch.setattr(calendar_file, "MAX_BYTES", 10)
    assert f"it has {len(GOOD)} bytes, at most 10" in ((await CalendarFile(path).look()).error or "")


@pytest.mark.skipif(os.name != "posix", reason="a pipe by name is of POSIX")
async def test_a_pipe_hangs_nobody(tmp_path: Path) -> None:
    """It is not opened: nobody may ever write to it."""
    os.mkfifo(tmp_path / "news.csv")
    assert (await CalendarFile(tmp_path / "news.csv").look()).error == "it is no file"
