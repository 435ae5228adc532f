"""All that is shipped in MQL5 can be compiled, programs and each header by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from mql5.build import clang, compile_only, require_clang, require_gpp

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted((ROOT / "mql5").rglob("*.mq5"))
HEADERS = sorted((ROOT / "mql5").rglob("*.mqh"))


@pytest.mark.parametrize("source", [*PROGRAMS, *HEADERS], ids=lambda path: path.name)
def test_it_compiles(source: Path) -> None:
    """The translator and g++ take it; a warning of either would be a refusal."""
    require_gpp()
    compile_only(source, warnings_refuse=True)


def test_there_are_programs() -> None:
    """Experts and scripts are found where they are shipped from."""
    assert {path.parent.parent.name for path in PROGRAMS} == {"Experts", "Scripts"}
    assert HEADERS


@pytest.mark.parametrize("name", ["language", "functions", "files", "sockets", "web"])
def test_another_compiler_takes_the_host(name: str) -> None:
    """clang++ reads the same headers, for fuzzing, without a warning."""
    require_clang()
    compile_only(Path(__file__).parent / "programs" / f"{name}.mq5", compiler=clang(), warnings_refuse=True)
