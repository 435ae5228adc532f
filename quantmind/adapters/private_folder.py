"""A folder that nobody but its owner may change."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from quantmind.errors import EXIT_UNAVAILABLE, StartError

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def make_private(folder: Path) -> None:
    """Make the folder for its owner alone where there is none; on Windows it is as private as the user's profile is.

    Whoever may write in it could put his own file of tokens there, or a link through which ours are written over.

    Raises:
        OSError: it can't be made or looked at.
        StartError: it is there, and others may write in it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.name == "posix" and folder.stat().st_mode & _OTHERS_WRITE:
        text = (
            f"others may write in the folder {folder}, and could put tokens of their own there; "
            f"run: chmod go-w {folder}, or name a folder inside of it"
        )
        raise StartError(text, EXIT_UNAVAILABLE)
