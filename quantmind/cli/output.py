"""Standard output whose reader may have gone."""

from __future__ import annotations

import os
import sys


def forget_stdout() -> None:
    """What is left in its buffer would be an error at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
