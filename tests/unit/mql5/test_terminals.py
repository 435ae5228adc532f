"""Terminals are found where Windows, Wine and the app for macOS have them, and nowhere else is looked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mql5_terminals import HASH, OTHER_HASH, data_folder, program_folder

from quantmind.errors import StartError
from quantmind.mql5.terminals import Found, Machine, at, find

FTMO = "C:\\Program Files\\FTMO MetaTrader 5"


def linux(home: Path, **env: str) -> Machine:
    return Machine("linux", home, env)


def named(found: Found) -> list[tuple[str, Path, bool]]:
    return [(each.name, each.data, each.portable) for each in found.terminals]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8", "utf-8-sig"])
def test_windows_data_folders_are_named_by_their_origin(tmp_path: Path, encoding: str) -> None:
    """MetaTrader writes origin.txt in UTF-16; others are read as well."""
    data = data_folder(tmp_path, FTMO, encoding=encoding)
    other = data_folder(tmp_path, None, OTHER_HASH)
    (data.parent / "Common" / "MQL5").mkdir(parents=True)
    (data.parent / ("A" * 32) / "MQL4").mkdir(parents=True)
    found = find(Machine("win32", tmp_path, {"APPDATA": str(tmp_path)}))
    assert named(found) == [(OTHER_HASH, other, False), ("FTMO MetaTrader 5", data, False)]
    assert found.skipped == ()


def test_without_anything_nothing_is_found(tmp_path: Path) -> None:
    """An empty home, no home, and no APPDATA are no error."""
    for system in ("linux", "darwin", "win32"):
        assert find(Machine(system, tmp_path, {})) == Found((), ())
        assert find(Machine(system, Path(os.devnull), {})) == Found((), ())


@pytest.mark.parametrize(
    "prefix",
    [
        ".wine",
        ".mt5",
        ".local/share/wineprefixes/any",
        ".var/app/com.usebottles.bottles/data/bottles/bottles/Trading",
        ".local/share/bottles/bottles/Trading",
        ".PlayOnLinux/wineprefix/mt5",
        ".cxoffice/mt5",
        "Games/mt5",
    ],
)
def test_wine_prefixes_have_both_kinds(tmp_path: Path, prefix: str) -> None:
    """A data folder of a user, whatever his name is, and a portable program; the data folder's own is none."""
    drive = tmp_path / prefix / "drive_c"
    data = data_folder(drive / "users" / "Алексей Ü" / "AppData" / "Roaming", FTMO.upper())
    program_folder(drive / "Program Files" / "FTMO MetaTrader 5")
    portable = program_folder(drive / "Program Files (x86)" / "MetaTrader 5")
    program_folder(drive / "Program Files" / "never started", portable=False)
    (drive / "Program Files" / "no program" / "MQL5").mkdir(parents=True)
    found = find(linux(tmp_path))
    assert named(found) == [(FTMO.upper().split("\\")[-1], data, False), ("MetaTrader 5", portable, True)]


def test_macos_has_its_own_prefix(tmp_path: Path) -> None:
    """The app of MetaQuotes brings Wine along."""
    drive = tmp_path / "Library" / "Application Support" / "net.metaquotes.wine.metatrader5" / "drive_c"
    program = program_folder(drive / "Program Files" / "MetaTrader 5")
    assert named(find(Machine("darwin", tmp_path, {}))) == [("MetaTrader 5", program, True)]


def test_one_that_two_ways_lead_to_is_found_once(tmp_path: Path) -> None:
    """WINEPREFIX may name what is looked at anyway, and prefixes and users link to each other."""
    data = data_folder(tmp_path / ".wine" / "drive_c" / "users" / "me" / "AppData" / "Roaming", FTMO)
    (tmp_path / ".mt5").symlink_to(tmp_path / ".wine")
    roaming = tmp_path / ".wine" / "drive_c" / "users" / "me"
    (roaming / "Application Data").symlink_to(roaming / "AppData" / "Roaming")
    found = find(linux(tmp_path, WINEPREFIX=str(tmp_path / ".wine")))
    assert named(found) == [("FTMO MetaTrader 5", data, False)]
    elsewhere = find(linux(tmp_path / "nobody", WINEPREFIX=str(tmp_path / ".wine")))
    assert named(elsewhere) == named(found)


def test_what_may_not_be_read_is_said_and_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One locked folder does not hide the other terminals."""
    data = data_folder(tmp_path / ".mt5" / "drive_c" / "users" / "me" / "AppData" / "Roaming", FTMO)
    locked = tmp_path / ".wine" / "drive_c" / "users"
    locked.mkdir(parents=True)
    scandir = os.scandir

    def refuse(path: Path) -> Iterator[Any]:
        if path == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = find(linux(tmp_path))
    assert named(found) == [("FTMO MetaTrader 5", data, False)]
    assert found.skipped == (f"{locked} can't be read (Permission denied); it was skipped",)


def test_a_folder_without_end_is_not_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has more entries than any place of prefixes is said and skipped."""
    monkeypatch.setattr("quantmind.mql5.terminals._MAX_CHILDREN", 3)
    for number in range(4):
        (tmp_path / "Games" / str(number)).mkdir(parents=True)
    found = find(linux(tmp_path))
    assert found.skipped == (f"{tmp_path / 'Games'} can't be read (it has more than 3 entries); it was skipped",)


def test_an_origin_that_says_nothing_leaves_the_folder_its_name(tmp_path: Path) -> None:
    """An empty or broken one is no reason to overlook the terminal."""
    for content in (b"", b"\xff\xfe", b"\xff\xfe\0", b"C:\\\xe4", b"\n\n"):
        data = data_folder(tmp_path / content.hex(), None)
        (data / "origin.txt").write_bytes(content)
        machine = Machine("win32", tmp_path, {"APPDATA": str(tmp_path / content.hex())})
        assert [each.name for each in find(machine).terminals] == [HASH]


def test_a_terminal_is_named_by_any_of_its_folders(tmp_path: Path) -> None:
    """Its data folder, its MQL5, its program, the program's file."""
    drive = tmp_path / "any where" / "drive_c"
    data = data_folder(drive / "users" / "me" / "AppData" / "Roaming", FTMO)
    program = program_folder(drive / "Program Files" / "FTMO MetaTrader 5")
    for path in (data, data / "MQL5", program, program / "terminal64.exe"):
        found = at(path, linux(tmp_path))
        assert (found.name, found.data, found.program, found.portable) == ("FTMO MetaTrader 5", data, program, False)
    literal = at(program / "MQL5", linux(tmp_path))
    assert (literal.data, literal.portable) == (program, True)


def test_a_program_without_a_data_folder_is_portable(tmp_path: Path) -> None:
    """So a folder that was copied from a stick works."""
    program = program_folder(tmp_path / "stick" / "MT5")
    found = at(program, linux(tmp_path))
    assert (found.name, found.data, found.portable) == ("MT5", program, True)


def test_a_program_of_several_users_must_be_told_apart(tmp_path: Path) -> None:
    """Which data folder is meant can't be guessed."""
    drive = tmp_path / ".wine" / "drive_c"
    program = program_folder(drive / "Program Files" / "FTMO MetaTrader 5")
    folders = [data_folder(drive / "users" / user / "AppData" / "Roaming", FTMO) for user in ("one", "two")]
    with pytest.raises(StartError, match="several data folders") as caught:
        at(program, linux(tmp_path))
    assert caught.value.exit_code == 2
    assert all(str(each) in str(caught.value) for each in folders)


def test_what_is_no_terminal_is_said_with_the_way_out(tmp_path: Path) -> None:
    """A missing path, an empty folder, a file, and a program that was never started."""
    (tmp_path / "file").write_bytes(b"")
    never = program_folder(tmp_path / "never", portable=False)
    for path, why in (
        (tmp_path / "absent", "is not there"),
        (tmp_path, "neither MQL5 nor terminal64.exe"),
        (tmp_path / "file", "neither MQL5 nor terminal64.exe"),
        (never, "has no MQL5"),
    ):
        with pytest.raises(StartError, match=why) as caught:
            at(path, linux(tmp_path))
        assert caught.value.exit_code == 69
        assert "Open Data Folder" in str(caught.value)
