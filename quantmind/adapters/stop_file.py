"""The file STOP in the state folder: while it is there, nobody trades."""

from __future__ import annotations

from pathlib import Path

import attrs
import trio

_MOST_BYTES = 4096
_MOST = 200


@attrs.define(eq=False)
class StopFile:
    """Looks for the file, and for one of that name with `.txt`, which Windows' editor adds unseen.

    Whatever is there by that name counts, also a folder or a file that nobody may read. Looking happens in a thread;
    cancelled, nothing was seen.
    """

    path: Path
    _threads: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)
    """One that hangs must not become many."""

    @property
    def name(self) -> str:
        return str(self.path)

    async def look(self) -> str | None:
        """The first line, with nothing in it that can't be printed, at most 200 characters; None: no such file."""
        return await trio.to_thread.run_sync(_look, self.path, abandon_on_cancel=True, limiter=self._threads)


def _look(path: Path) -> str | None:
    for each in (path, path.with_name(f"{path.name}.txt")):
        line = _first_line(each)
        if line is not None:
            return line
    return None


def _first_line(path: Path) -> str | None:
    try:
        path.lstat()
    except FileNotFoundError:
        return None
    except OSError:
        return ""
    try:
        if not path.is_file():  # not opened: it may be something that waits for a writer
            return ""
        with path.open("rb") as file:
            return _line_of(file.read(_MOST_BYTES))
    except OSError:
        return ""


def _line_of(data: bytes) -> str:
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))  # as PowerShell's `>` writes
    text = data.decode("utf-16" if wide else "utf-8-sig", "replace")
    first = next(iter(text.splitlines()), "")
    return " ".join("".join(c if c.isprintable() else " " for c in first).split())[:_MOST]
