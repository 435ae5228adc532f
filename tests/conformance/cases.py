"""Every case by its number, as the suite's own tests see them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

NUMBERED = re.compile(r"test_bc_(\d{3})_[a-z_0-9]+")


def all_cases() -> Mapping[str, Callable[..., Any]]:
    """The cases of this folder by their id (BC-001), in order.

    Raises:
        ValueError: two cases have one number, or a module that has numbered cases has a test without a number.
    """
    found: dict[str, Callable[..., Any]] = {}
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path.stem in ("test_table", "test_teeth"):
            continue
        module = importlib.import_module(f"conformance.{path.stem}")
        for name, case in vars(module).items():
            if not name.startswith("test_") or getattr(case, "__module__", None) != module.__name__:
                continue
            numbered = NUMBERED.fullmatch(name)
            if numbered is None:
                raise ValueError(f"{path.name}: {name} has no number; call it test_bc_<three digits>_…")
            number = f"BC-{numbered[1]}"
            if number in found:
                raise ValueError(f"{path.name}: {name} has a number that {found[number].__name__} has already")
            found[number] = case
    return dict(sorted(found.items()))


def rule_of(case: Callable[..., Any]) -> str:
    """What a case says in its docstring, on one line."""
    return " ".join((case.__doc__ or "").split())
