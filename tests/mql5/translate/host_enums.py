"""The host's own enumerations, read from its headers: EnumToString needs their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ENUM = re.compile(r"^enum (ENUM_\w+)(?: : \w+)?\s*\{([^}]*)\}", re.MULTILINE)
ITEM = re.compile(r"^\s*(\w+)\s*(?:=[^,]*)?,?\s*(?://.*)?$", re.MULTILINE)


def enumerations(host: Path) -> Iterator[tuple[str, list[str]]]:
    """Names and enumerators of all headers."""
    for header in sorted(host.rglob("*.hpp")):
        for match in ENUM.finditer(header.read_text(encoding="utf-8")):
            yield match[1], ITEM.findall(match[2])


def tables(host: Path, used: set[str]) -> str:
    """`enum_names_of` for each that a program may need."""
    lines = []
    for name, items in enumerations(host):
        if name not in used and "EnumToString" not in used:
            continue
        rows = ", ".join(f'{{long({item}), "{item}"}}' for item in items)
        lines.append(
            f"inline enum_names enum_names_of({name}) {{ static const enum_name all[] = {{{rows}}};"
            f' return {{"{name}", all, {len(items)}}}; }}'
        )
    return "namespace mql\n{\n" + "\n".join(lines) + "\n}\n"
