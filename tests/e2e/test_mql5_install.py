"""`quantmind mql5` from outside: which terminals, what is said, what is left on disk, how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mql5_terminals import HASH, JSON, OTHER_HASH, data_folder, program_folder

from quantmind import __version__
from quantmind.mql5.manifest import MANIFEST
from quantmind.mql5.sources import read_shipped, source_folder

SHIPPED = read_shipped(source_folder(), __version__)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user whose name is not English."""
    folder = tmp_path / "Алексей"
    folder.mkdir()
    return folder


def roaming(home: Path) -> Path:
    """Where data folders are on this system."""
    return home if sys.platform == "win32" else home / ".wine" / "drive_c" / "users" / "Алексей" / "AppData" / "Roaming"


def mql5(home: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("WINEPREFIX", "QUANTMIND_CONFIG")}
    return subprocess.run(
        [sys.executable, "-m", "quantmind", "mql5", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        cwd=home,
        env={**kept, "HOME": str(home), "APPDATA": str(home), "PYTHONIOENCODING": "utf-8", **env},
    )


def read(home: Path, *arguments: str) -> Any:
    done = mql5(home, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_one_terminal_is_installed_updated_and_told_apart(home: Path) -> None:
    """From nothing to an edited file and back, without a configuration; each state is in the list."""
    data = data_folder(roaming(home), "C:\\Program Files\\FTMO MetaTrader 5")
    folder = data / "MQL5"
    assert "FTMO MetaTrader 5: not installed" in mql5(home, "list").stdout

    dry = mql5(home, "install", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert f"would write {JSON}" in dry.stdout
    assert list(folder.iterdir()) == []

    done = mql5(home, "install")
    assert done.returncode == 0, done.stderr
    assert f"version {__version__}: {len(SHIPPED.files)} files new" in done.stdout
    assert 'tick "Allow WebRequest for listed URL" and add 127.0.0.1' in done.stdout
    assert all(path in done.stdout for path in SHIPPED.programs)
    assert {path: (folder / path).read_bytes() for path in SHIPPED.files} == dict(SHIPPED.files)
    listed = read(home, "list")
    assert [each["state"] for each in listed["terminals"]] == ["current"]
    assert listed["terminals"][0]["installed"] == __version__
    assert {each["path"]: each["sha256"] for each in listed["files"]} == SHIPPED.hashes
    assert "nothing to write" in mql5(home, "install").stdout

    (folder / JSON).write_text("// mine\n", newline="\n")
    assert f"{JSON}: edited by you" in mql5(home, "list").stdout
    kept = mql5(home, "install", "--keep-edited")
    assert f"{JSON} was edited by you and is kept" in kept.stdout
    assert (folder / JSON).read_text() == "// mine\n"
    [view] = read(home, "install")["terminals"]
    assert view["actions"] == [{"kind": "back_up", "path": JSON, "backup": f"Json.mqh.{__version__}.bak"}]
    assert (folder / JSON).with_name(f"Json.mqh.{__version__}.bak").read_text() == "// mine\n"
    assert (folder / JSON).read_bytes() == SHIPPED.files[JSON]

    (folder / JSON).unlink()
    assert "FTMO MetaTrader 5: incomplete" in mql5(home, "list").stdout
    assert mql5(home, "install").returncode == 0


def test_several_terminals_have_to_be_chosen(home: Path) -> None:
    """By name, by how the data folder begins, by path, or all; a wrong or unclear name shows which there are."""
    first = data_folder(roaming(home), "C:\\Program Files\\MetaTrader 5")
    second = data_folder(roaming(home), "D:\\Other\\MetaTrader 5", OTHER_HASH)
    portable = program_folder(home / "stick" / "Portable")
    for arguments in ((), ("--to", "metatrader 5"), ("--to", "nothing")):
        done = mql5(home, "install", *arguments)
        assert done.returncode == 2
        assert done.stdout == ""
        assert str(first) in done.stderr
        assert str(second) in done.stderr
    assert not any((each / "MQL5" / MANIFEST).exists() for each in (first, second))

    assert mql5(home, "install", "--to", HASH[:6].lower()).returncode == 0
    assert [(each / "MQL5" / MANIFEST).exists() for each in (first, second)] == [True, False]
    assert len(read(home, "install", "--all")["terminals"]) == 2
    assert (second / "MQL5" / MANIFEST).exists()
    assert mql5(home, "install", "--terminal", str(portable)).returncode == 0
    assert read(home, "list", "--terminal", str(portable))["terminals"][0]["portable"] is True
    assert mql5(home, "install", "--all", "--to", "x").returncode == 2


def test_without_a_terminal_the_way_to_name_one_is_said(home: Path) -> None:
    """`list` shows what is shipped; `install` has nothing to do it to."""
    assert mql5(home, "list").returncode == 0
    done = mql5(home, "install")
    assert done.returncode == 69
    assert "--terminal" in done.stderr
    assert mql5(home, "install", "--terminal", str(home / "absent")).returncode == 69


def test_a_newer_installation_is_not_replaced_by_accident(home: Path) -> None:
    """Nothing is written; going back has a word of its own."""
    folder = data_folder(roaming(home), None) / "MQL5"
    assert mql5(home, "install").returncode == 0
    noted = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**noted, "version": "99.0.0"}))
    done = mql5(home, "install")
    assert done.returncode == 1
    assert "version 99.0.0, which is newer" in done.stderr
    assert "what is next" not in done.stdout
    assert mql5(home, "install", "--downgrade").returncode == 0
    assert json.loads((folder / MANIFEST).read_text())["version"] == __version__


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_a_link_out_of_one_terminal_keeps_no_other_from_it(home: Path) -> None:
    """The refused one is named with its reason, nothing is written to it, and the exit code says so."""
    first = data_folder(roaming(home), "C:\\A") / "MQL5"
    second = data_folder(roaming(home), "C:\\B", OTHER_HASH) / "MQL5"
    outside = home / "repository"
    outside.mkdir()
    (first / "Include").symlink_to(outside)
    done = mql5(home, "install", "--all")
    assert done.returncode == 1
    assert "a link leads out of the MQL5 folder" in done.stderr
    assert list(outside.iterdir()) == []
    assert not (first / "Experts").exists()
    assert (second / MANIFEST).exists()
    assert "A: can't be used as it is" in mql5(home, "list").stdout


def test_a_console_that_has_not_the_letters_of_a_name_is_no_trouble(home: Path) -> None:
    """They are shown by their numbers."""
    data_folder(roaming(home), None)
    done = mql5(home, "install", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "\\u0410" in done.stdout
