"""The terminal's part of the MQL5 host that is compiled once: everything behind the built-ins that needs no MQL5."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

SOURCES = Path(__file__).parent / "host" / "terminal" / "link"
FLAGS = ("-std=c++20", "-O1", "-g", "-Wall", "-Wextra", "-Werror")


def library() -> Path:
    """The static library, built when its sources, its flags or the compiler are new.

    Raises:
        subprocess.CalledProcessError: it can't be compiled; what the compiler says goes to standard error.
    """
    folder = Path(tempfile.gettempdir()) / f"quantmind-mql5-{os.getuid()}"
    made = folder / f"libmqlterminal-{_digest()}.a"
    if made.exists():
        return made
    folder.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as built:
        objects = [_compile(source, Path(built)) for source in sorted(SOURCES.glob("*.cpp"))]
        archive = Path(built) / "lib.a"
        subprocess.run(["ar", "rcs", archive, *objects], check=True, timeout=60)
        # Whoever else built it at the same time made the same.
        archive.replace(made)
    return made


def _compile(source: Path, folder: Path) -> Path:
    made = folder / f"{source.stem}.o"
    subprocess.run(["g++", *FLAGS, "-c", source, "-o", made], check=True, timeout=300)
    return made


def _digest() -> str:
    digest = hashlib.sha256(repr(FLAGS).encode())
    digest.update(subprocess.run(["g++", "--version"], check=True, capture_output=True, timeout=60).stdout)
    for file in sorted(SOURCES.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]
