"""Real file systems for tests: a small one that gets full, a folder that is read-only. Linux, as root."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def _mounted(place: Path, *arguments: str) -> Iterator[None]:
    if sys.platform != "linux":
        pytest.skip("mounts are tried on Linux")
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    done = subprocess.run(["mount", *arguments, str(place)], capture_output=True, text=True, check=False)
    if done.returncode:
        # A container without the right to mount is no fault of the program.
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        # Whoever was killed may hold it for a moment longer: it then goes when they are gone.
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextlib.contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of its own, of that size, at `place` for the length of the block."""
    place.mkdir()
    with _mounted(place, "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=0700", "tmpfs"):
        yield place


def resize(disk: Path, kilobytes: int) -> None:
    """Give a small disk more room."""
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(disk)], check=True)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing in the folder can be written for the length of the block, by root neither. Nobody may have it open."""
    with _mounted(folder, "--bind", str(folder)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield


def fill(folder: Path) -> Path:
    """Take all the room that is left with one file; remove it to give the room back."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    continue
    return filler
