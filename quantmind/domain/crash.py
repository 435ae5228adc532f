"""What a crash was, without its text. Pure."""

from __future__ import annotations

import traceback


def place_of(error: BaseException) -> str:
    """Its kind and where it was raised: of an error with a secret in hand, whose text may quote it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
