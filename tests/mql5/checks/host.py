"""What the host offers to programs, by its headers: the names have to be MQL5's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

FUNCTION = re.compile(r"^(?:inline |constexpr |template <[^>]*> )*[\w:<>]+[ *&]+([A-Z]\w+)\(", re.MULTILINE)
OF_ONE = re.compile(r"^MQL_OF_ONE\((\w+), (\w+), \w+\)", re.MULTILINE)
INNER = re.compile(r"^namespace (?:detail|mql::\w+)\n\{.*?^\}", re.MULTILINE | re.DOTALL)


def functions(host: Path) -> Iterator[tuple[str, str]]:
    """Header and name of each function that a program may call."""
    for header in sorted(host.rglob("*.hpp")):
        if header.parent.name in ("lib", "link"):
            continue
        text = INNER.sub("", header.read_text(encoding="utf-8"))
        for name in FUNCTION.findall(text):
            yield header.name, name
        for names in OF_ONE.findall(text):
            for name in names:
                yield header.name, name
