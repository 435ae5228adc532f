"""How many examples a property is tried with: a few here, many in CI, and as many more as QUANTMIND_EXAMPLES says."""

from __future__ import annotations

import os
from typing import Final

IN_CI: Final = bool(os.environ.get("CI"))
TIMES: Final = max(1, int(os.environ.get("QUANTMIND_EXAMPLES", "1")))
"""The long form: QUANTMIND_EXAMPLES=10 tries ten times as many, others each time unless in CI."""


def examples(in_ci: int, here: int) -> int:
    """The number of examples of one property."""
    return (in_ci if IN_CI else here) * TIMES
