"""Made-up MetaTrader 5 installations on disk, and MQL5 files to put into them."""

from __future__ import annotations

from pathlib import Path

from quantmind.mql5.sources import Shipped, read_shipped

HASH = "D0E8209F77C8CF37AD8BF550E51FF075"
OTHER_HASH = "0123456789ABCDEF0123456789ABCDEF"
BRIDGE = "Experts/QuantMind/QuantMindBridge.mq5"
JSON = "Include/QuantMind/Json.mqh"
CHECK = "Scripts/QuantMind/CheckSetup.mq5"
FILES = {BRIDGE: "// bridge\n", JSON: "// json\n", CHECK: "// check\n"}


def sources(folder: Path, files: dict[str, str] | None = None, version: str = "0.2.0") -> Shipped:
    """Files as a version ships them."""
    for path, text in (FILES if files is None else files).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, newline="\n")
    return read_shipped(folder, version)


def data_folder(roaming: Path, program: str | None, name: str = HASH, encoding: str = "utf-16") -> Path:
    """The data folder of an installed terminal; `encoding` of its origin.txt."""
    data = roaming / "MetaQuotes" / "Terminal" / name
    (data / "MQL5").mkdir(parents=True)
    if program is not None:
        (data / "origin.txt").write_bytes(program.encode(encoding))
    return data


def program_folder(folder: Path, *, portable: bool = True) -> Path:
    """A terminal's program, with the folder MQL5 that an installation brings."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "terminal64.exe").write_bytes(b"MZ")
    if portable:
        (folder / "MQL5").mkdir()
    return folder
