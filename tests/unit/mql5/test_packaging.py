"""The wheel brings the MQL5 files where they are looked for."""

from __future__ import annotations

import tomllib
from pathlib import Path

from quantmind.mql5 import sources

ROOT = Path(__file__).resolve().parents[3]


def test_the_wheel_has_them_where_they_are_looked_for() -> None:
    """Wheels and source distributions are built from pyproject.toml alone."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    wheel = build["wheel"]
    assert {"quantmind", "actors", "mql5"} <= set(wheel["only-include"])
    assert ROOT / wheel["sources"]["mql5"] == sources._PACKAGED
    assert "/mql5" in build["sdist"]["include"]


def test_the_repository_has_no_copy_of_them() -> None:
    """A folder where a wheel has them would be preferred to the sources themselves."""
    assert not sources._PACKAGED.exists()
    assert sources.source_folder() == ROOT / "mql5"
