"""Where MetaTrader 5 terminals are on this machine; known places are looked at, no disk is ever walked.

A terminal has a data folder with the folder MQL5 in it: `…/MetaQuotes/Terminal/<32 hex digits>`, whose origin.txt says
where the program is, or the program's own folder when it is portable. Under Wine the same lies in each prefix.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath
from typing import Final

import attrs

from quantmind.errors import EXIT_UNAVAILABLE, EXIT_USAGE, StartError

PROGRAM: Final = "terminal64.exe"
FOLDER: Final = "MQL5"
_DATA: Final = re.compile("[0-9A-Fa-f]{32}")
_MAX_CHILDREN: Final = 1000
"""Of a folder; a place with more is none where prefixes or terminals are kept."""
_ORIGIN_BYTES: Final = 1 << 14
_WINE: Final = (
    "~/.wine",
    "~/.mt5",
    "~/.local/share/wineprefixes/*",
    "~/.var/app/com.usebottles.bottles/data/bottles/bottles/*",
    "~/.local/share/bottles/bottles/*",
    "~/.PlayOnLinux/wineprefix/*",
    "~/.cxoffice/*",
    "~/Games/*",
)
_MAC: Final = (
    "~/Library/Application Support/net.metaquotes.wine.metatrader5",
    "~/Library/Application Support/MetaTrader 5/Bottles/*",
    "~/Library/Application Support/CrossOver/Bottles/*",
    "~/.wine",
)
_OPEN_DATA_FOLDER: Final = "the menu File, Open Data Folder of the terminal shows it"


@attrs.frozen
class Machine:
    """What finding goes by."""

    system: str
    """As `sys.platform` says it."""
    home: Path
    env: Mapping[str, str] = attrs.field(repr=False)

    @classmethod
    def this(cls) -> Machine:
        try:
            home = Path.home()
        except RuntimeError:
            home = Path(os.devnull)  # nobody's: nothing is in it
        return cls(sys.platform, home, os.environ)


@attrs.frozen
class Terminal:
    name: str
    """As its program's folder is called, after which brokers name theirs; else the name of its data folder."""
    data: Path
    program: Path | None
    """Folder of terminal64.exe, if it is known."""
    portable: bool
    """Its data folder is its program's folder."""

    @property
    def mql5(self) -> Path:
        return self.data / FOLDER


@attrs.frozen
class Found:
    terminals: tuple[Terminal, ...]
    skipped: tuple[str, ...]
    """What could not be looked at, and why."""


def find(machine: Machine) -> Found:
    """All terminals in the known places, those with a data folder of their own before portable ones of a prefix."""
    look = _Look()
    if machine.system == "win32":
        roaming = machine.env.get("APPDATA")
        if roaming:
            look.data_folders(Path(roaming, "MetaQuotes", "Terminal"), None)
    else:
        for prefix in _prefixes(machine, look):
            look.prefix(prefix)
    return look.found()


def at(path: Path, machine: Machine) -> Terminal:
    """The terminal whose data folder, MQL5 folder or program is named.

    Raises:
        StartError: there is none, or several use that program.
    """
    try:
        named = path.expanduser().absolute()
        if not named.exists():
            message = f"{path} is not there; name a terminal's data folder ({_OPEN_DATA_FOLDER})"
            raise StartError(message, EXIT_UNAVAILABLE)
        if named.name.lower() == PROGRAM:
            named = named.parent
        if named.name.upper() == FOLDER and named.is_dir():
            return _described(named.parent)
        if (named / PROGRAM).exists():
            return _of_program(named, machine)
        if (named / FOLDER).is_dir():
            return _described(named)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StartError(f"{path} can't be looked at ({reason})", EXIT_UNAVAILABLE) from error
    message = f"{path} has neither {FOLDER} nor {PROGRAM}; name a terminal's data folder ({_OPEN_DATA_FOLDER})"
    raise StartError(message, EXIT_UNAVAILABLE)


def _of_program(folder: Path, machine: Machine) -> Terminal:
    look = _Look()
    prefix = next((each.parent for each in folder.parents if each.name == "drive_c"), None)
    if prefix is not None:
        look.prefix(prefix)
    known = {_key(each.data): each for each in (*find(machine).terminals, *look.found().terminals)}
    users = [
        each
        for each in known.values()
        if each.program is not None and _program_key(each.program) == _program_key(folder)
    ]
    if len(users) > 1:
        folders = "\n".join(f"  {each.data}" for each in users)
        raise StartError(f"{folder} has several data folders; name one of them:\n{folders}", EXIT_USAGE)
    if users:
        return users[0]
    if not (folder / FOLDER).is_dir():
        message = f"{folder} has no {FOLDER}, and no data folder of it is known; name that ({_OPEN_DATA_FOLDER})"
        raise StartError(message, EXIT_UNAVAILABLE)
    return Terminal(folder.name, folder, folder, portable=True)


def _described(data: Path) -> Terminal:
    if (data / PROGRAM).exists():
        return Terminal(data.name, data, data, portable=True)
    prefix = next((each.parent for each in data.parents if each.name == "drive_c"), None)
    return _of_data(data, prefix, _Look())


def _of_data(data: Path, prefix: Path | None, look: _Look) -> Terminal:
    origin = look.origin(data / "origin.txt")
    if origin is None:
        return Terminal(data.name, data, None, portable=False)
    program = Path(origin) if prefix is None else _under(prefix, origin)
    return Terminal(PureWindowsPath(origin).name or data.name, data, program, portable=False)


@attrs.define(eq=False)
class _Look:
    """Collects terminals, each once, and what could not be read."""

    _terminals: dict[str, Terminal] = attrs.field(factory=dict)
    _skipped: dict[str, None] = attrs.field(factory=dict)
    _prefixes: set[str] = attrs.field(factory=set)

    def found(self) -> Found:
        return Found(tuple(self._terminals.values()), tuple(self._skipped))

    def prefix(self, prefix: Path) -> None:
        """What one Wine prefix has."""
        if _key(prefix) in self._prefixes:
            return
        self._prefixes.add(_key(prefix))
        drive = prefix / "drive_c"
        for user in self.children(drive / "users"):
            for roaming in (user / "AppData" / "Roaming", user / "Application Data"):
                self.data_folders(roaming / "MetaQuotes" / "Terminal", prefix)
        # An installation brings a folder MQL5 too, from which data folders are made: it is not used where one was.
        used = {_program_key(each.program) for each in self._terminals.values() if each.program is not None}
        for name in ("Program Files", "Program Files (x86)"):
            for program in self.children(drive / name):
                if self.there(program / PROGRAM) and self.there(program / FOLDER) and _program_key(program) not in used:
                    self.add(Terminal(program.name, program, program, portable=True))

    def data_folders(self, folder: Path, prefix: Path | None) -> None:
        for data in self.children(folder):
            if _DATA.fullmatch(data.name) and self.there(data / FOLDER):
                self.add(_of_data(data, prefix, self))

    def add(self, terminal: Terminal) -> None:
        self._terminals.setdefault(_key(terminal.data), terminal)

    def children(self, folder: Path) -> list[Path]:
        """What is in a folder, sorted; nothing where there is none."""
        try:
            with os.scandir(folder) as entries:
                found = [entry.name for entry in itertools.islice(entries, _MAX_CHILDREN + 1)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self._skip(folder, error.strerror)
            return []
        if len(found) > _MAX_CHILDREN:
            self._skip(folder, f"it has more than {_MAX_CHILDREN} entries")
            return []
        return [folder / name for name in sorted(found)]

    def there(self, path: Path) -> bool:
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            self._skip(path, error.strerror)
            return False
        return True

    def origin(self, file: Path) -> str | None:
        """The folder that an origin.txt names; MetaTrader writes UTF-16."""
        try:
            with file.open("rb") as opened:
                data = opened.read(_ORIGIN_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._skip(file, error.strerror)
            return None
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            encoding = "utf-16"
        else:
            encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-8-sig"
        try:
            lines = data.decode(encoding).replace("\0", "").splitlines()
        except UnicodeDecodeError:
            return None
        return (lines[0].strip() or None) if lines else None

    def _skip(self, path: Path, reason: str | None) -> None:
        self._skipped[f"{path} can't be read ({reason}); it was skipped"] = None


def _prefixes(machine: Machine, look: _Look) -> Iterator[Path]:
    named = machine.env.get("WINEPREFIX")
    if named:
        yield Path(named)
    for pattern in _MAC if machine.system == "darwin" else _WINE:
        place = machine.home / pattern.removeprefix("~/")
        if place.name == "*":
            yield from look.children(place.parent)
        else:
            yield place


def _under(prefix: Path, windows: str) -> Path:
    """Where a path of Windows lies in a Wine prefix."""
    path = PureWindowsPath(windows)
    drive = path.drive.lower()
    root = prefix / "drive_c" if drive in ("c:", "") else prefix / "dosdevices" / drive
    return root.joinpath(*path.parts[1:])


def _key(path: Path) -> str:
    try:
        return str(path.resolve())
    except (OSError, RuntimeError):
        return str(path.absolute())


def _program_key(folder: Path) -> str:
    """An origin.txt may write it in another case, which Windows and Wine take for the same."""
    return _key(folder).casefold()
