"""The MQL5 files that are shipped, in the layout of a terminal's MQL5 folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from quantmind.errors import EXIT_UNAVAILABLE, StartError

OURS: Final = "QuantMind"
"""Folders of this name are ours, below Include, Experts, Scripts and so on; nothing else is ever written."""

_PACKAGED: Final = Path(__file__).parent / "files"
"""Where a wheel has them; pyproject.toml puts them there."""
_TREE: Final = Path(__file__).parents[2] / "mql5"
"""Where they lie beside the package in the repository."""
_NOT_SHIPPED: Final = frozenset({".ex5", ".log", ".bak"})


@attrs.frozen
class Shipped:
    """What an installation puts into a terminal; paths are relative to MQL5 and have `/`."""

    version: str
    folder: Path
    files: Mapping[str, bytes] = attrs.field(repr=False)

    @property
    def hashes(self) -> Mapping[str, str]:
        return {path: hashlib.sha256(data).hexdigest() for path, data in self.files.items()}

    @property
    def programs(self) -> tuple[str, ...]:
        """What has to be compiled."""
        return tuple(path for path in self.files if path.endswith(".mq5"))


def source_folder() -> Path:
    """The folder of this installation.

    Raises:
        StartError: it has none.
    """
    for folder in (_PACKAGED, _TREE):
        if (folder / "Include" / OURS).is_dir():
            return folder
    message = f"this installation has no MQL5 files ({_PACKAGED} is not there); install quantmind-gateway again"
    raise StartError(message, EXIT_UNAVAILABLE)


def read_shipped(folder: Path, version: str) -> Shipped:
    """Read what lies in the folders of ours; compiled programs and hidden files are not shipped.

    Raises:
        StartError: a file can't be read, or there is none.
    """
    files: dict[str, bytes] = {}
    try:
        for top in sorted(folder.glob(f"*/{OURS}")):
            for place, folders, names in os.walk(top):
                folders[:] = sorted(each for each in folders if not each.startswith("."))
                for path in (Path(place, name) for name in sorted(names)):
                    if not path.name.startswith(".") and path.suffix.lower() not in _NOT_SHIPPED:
                        files[path.relative_to(folder).as_posix()] = path.read_bytes()
    except OSError as error:
        message = f"{error.filename} can't be read ({error.strerror}); install quantmind-gateway again"
        raise StartError(message, EXIT_UNAVAILABLE) from error
    if not files:
        raise StartError(f"{folder} has no MQL5 files; install quantmind-gateway again", EXIT_UNAVAILABLE)
    return Shipped(version, folder, files)
