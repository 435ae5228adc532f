"""What `quantmind doctor` says of one thing that it has looked at."""

from __future__ import annotations

from typing import Literal

import attrs


@attrs.frozen
class Finding:
    """One thing that was looked at. `detail` says what was found, and what to do where that is not well."""

    what: str
    state: Literal["ok", "warn", "fail"]
    detail: str
