"""Looks at a terminal's MQL5 folder, and carries a plan out: each file whole or not at all, the manifest last.

An installation that was interrupted is repaired by the next: what was written is `current` then, the rest is as it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

from quantmind.errors import EXIT_UNAVAILABLE, EXIT_USAGE, StartError
from quantmind.mql5.manifest import MANIFEST, MAX_BYTES, Manifest, ManifestDamaged, decode, encode
from quantmind.mql5.plan import Kind, Plan, Step
from quantmind.mql5.sources import OURS, Shipped

_TEMPORARY: Final = ".quantmind-new"
_BACKUPS: Final = 1000


@attrs.frozen
class Seen:
    """What a terminal has of ours."""

    manifest: Manifest | None
    damage: str | None
    """Why the manifest that is there can't be relied on."""
    disk: Mapping[str, str | None]
    """Hash of each file that is shipped or was installed; None: not there."""
    refusals: Mapping[str, str]
    """Files that can't be written or read as they are, and why."""
    stale: tuple[str, ...]
    """Compiled programs that are older than a source of ours."""


@attrs.frozen
class Done:
    kind: Kind
    path: str
    backup: str | None = None
    """Name of the copy of what was there, in the same folder."""


def look(mql5: Path, shipped: Shipped) -> Seen:
    """Read what is there; changes nothing.

    Raises:
        StartError: the folder can't be read, or is the one that is shipped.
    """
    try:
        root = mql5.resolve(strict=True)
        if root.samefile(shipped.folder):
            raise StartError(f"{mql5} is what is shipped, and no terminal's", EXIT_USAGE)
    except (OSError, RuntimeError) as error:
        raise _trouble(mql5, "can't be read", error) from error
    refusals: dict[str, str] = {}
    manifest, damage = _read_manifest(mql5, root, refusals)
    disk: dict[str, str | None] = {}
    for path in (*shipped.files, *(() if manifest is None else manifest.files)):
        if path not in disk:
            try:
                disk[path] = _hash_inside(mql5, root, path)
            except _Refused as refused:
                disk[path] = None
                refusals[path] = str(refused)
    return Seen(manifest, damage, disk, refusals, _stale(mql5, shipped, disk))


def refused(plan: Plan, mql5: Path, refusals: Mapping[str, str]) -> dict[str, str]:
    """What keeps a plan from being carried out: nothing is begun then."""
    found = dict(refusals)
    for step in plan.steps:
        if step.kind in ("replace", "back_up", "remove") and step.path not in found:
            with contextlib.suppress(FileNotFoundError):
                # A replaced file would lose the mark on Linux and be refused on Windows.
                if not (mql5 / step.path).stat().st_mode & stat.S_IWUSR:
                    found[step.path] = "it is marked as read-only; take the mark off, if it may be changed"
    return found


def carry_out(plan: Plan, mql5: Path, shipped: Shipped) -> Iterator[Done]:
    """Do each step and yield it when it is done; the manifest is written when all have been taken, if it says anew.

    Raises:
        StartError: a file can't be written, or was changed since the plan was made; the text says how it goes on.
    """
    for folder in {(mql5 / path).parent for path in (*shipped.files, MANIFEST)}:
        _sweep(folder)
    for step in plan.steps:
        target = mql5 / step.path
        try:
            done = _do(step, target, shipped.files.get(step.path, b""), plan.label)
        except OSError as error:
            raise _trouble(target, _WORDS.get(step.kind, "can't be used"), error) from error
        yield done
    if not plan.changes:
        return
    target = mql5 / MANIFEST
    try:
        _write(target, encode(plan.manifest))
    except OSError as error:
        raise _trouble(target, "can't be written", error) from error


_WORDS: Final[Mapping[Kind, str]] = {
    "write": "can't be written",
    "replace": "can't be replaced",
    "back_up": "can't be copied or replaced",
    "remove": "can't be removed",
}


def _do(step: Step, target: Path, data: bytes, label: str) -> Done:
    if step.kind in ("keep", "leave"):
        return Done(step.kind, step.path)
    if _hash(target) != step.seen:
        message = f"{target} was changed while this ran; run the command again"
        raise StartError(message, EXIT_UNAVAILABLE)
    backup = None
    if step.kind == "remove":
        target.unlink()
        _remove_empty(target.parent)
    else:
        if step.kind == "back_up":
            backup = _back_up(target, label)
        _write(target, data)
    return Done(step.kind, step.path, backup)


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}{_TEMPORARY}")
    try:
        _write_new(temporary, data)
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _write_new(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _back_up(target: Path, label: str) -> str:
    """Copy a file beside itself under a name that nothing has; one that was copied already is not copied again."""
    data = target.read_bytes()
    for number in range(1, _BACKUPS):
        copy = target.with_name(f"{target.name}.{label}{'' if number == 1 else f'.{number}'}.bak")
        try:
            _write_new(copy, data)
        except FileExistsError:
            if copy.is_file() and copy.read_bytes() == data:
                return copy.name
        else:
            return copy.name
    message = f"{target} has {_BACKUPS - 1} backups beside it; remove some of them"
    raise StartError(message, EXIT_UNAVAILABLE)


def _sweep(folder: Path) -> None:
    """What an interrupted installation left."""
    with contextlib.suppress(OSError):
        for left in folder.glob(f".*{_TEMPORARY}"):
            left.unlink()


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        while folder.name != OURS:
            folder.rmdir()
            folder = folder.parent


class _Refused(Exception):
    """A file that is left alone; the text says why."""


def _hash_inside(mql5: Path, root: Path, path: str) -> str | None:
    target = mql5 / path
    try:
        real = target.resolve()
        if not real.is_relative_to(root):
            raise _Refused(f"a link leads out of the MQL5 folder, to {real}; remove the link, or change it there")
        mode = target.stat().st_mode
        if not stat.S_ISREG(mode):
            raise _Refused("it is there and is no file; move it away")
        return _hash(target)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, RuntimeError) as error:
        raise _Refused(f"it can't be read ({getattr(error, 'strerror', None) or error})") from error


def _hash(target: Path) -> str | None:
    try:
        with target.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _read_manifest(mql5: Path, root: Path, refusals: dict[str, str]) -> tuple[Manifest | None, str | None]:
    try:
        if _hash_inside(mql5, root, MANIFEST) is None:
            return None, None
        with (mql5 / MANIFEST).open("rb") as file:
            return decode(file.read(MAX_BYTES + 1)), None
    except _Refused as refused_:
        refusals[MANIFEST] = str(refused_)
        return None, None
    except ManifestDamaged as damaged:
        return None, str(damaged)
    except OSError as error:
        return None, error.strerror or str(error)


def _stale(mql5: Path, shipped: Shipped, disk: Mapping[str, str | None]) -> tuple[str, ...]:
    """A program is compiled from its own source and from includes, so the newest of them counts."""
    includes = max((_changed(mql5 / path) for path in disk if path.endswith(".mqh") and disk[path]), default=0)
    found = []
    for path in shipped.programs:
        compiled = _changed((mql5 / path).with_suffix(".ex5"))
        if compiled and disk[path] and compiled < max(_changed(mql5 / path), includes):
            found.append(path.removesuffix(".mq5") + ".ex5")
    return tuple(found)


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _trouble(path: Path, what: str, error: Exception) -> StartError:
    reason = getattr(error, "strerror", None) or error
    way_out = "close it in MetaEditor, see that you may write there and that the disk has room, and run this again"
    return StartError(f"{path} {what} ({reason}); {way_out}", EXIT_UNAVAILABLE)
