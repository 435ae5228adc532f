"""The fuzzer of MQL5 code itself, on the host's own texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from examples import examples
from mql5.build import build_fuzzer, fuzz, require_clang

FUZZ = Path(__file__).parent / "fuzz"


def test_texts_hold_for_any_bytes(tmp_path: Path) -> None:
    """Bytes to a text and back, its parts, its pieces: the same, and nothing beyond an array."""
    require_clang()
    fuzzer = build_fuzzer(FUZZ / "text_fuzz.cpp", program=FUZZ / "text_fuzz.mqh")
    said = fuzz(fuzzer, runs=examples(200_000, 20_000), corpus=tmp_path / "corpus")
    assert "DONE" in said


def test_a_mistake_is_found(tmp_path: Path) -> None:
    """A program that a terminal would unload stops the fuzzer, which tells the input."""
    require_clang()
    program = tmp_path / "wrong.mqh"
    text = (FUZZ / "text_fuzz.mqh").read_text().replace("again[count-1]!=0", "bytes[0]=='Q' && bytes[size]==0")
    program.write_text(text)
    fuzzer = build_fuzzer(FUZZ / "text_fuzz.cpp", program=program)
    with pytest.raises(AssertionError, match=r"array out of range in .*wrong\.mqh:"):
        fuzz(fuzzer, runs=2_000_000, corpus=tmp_path / "corpus", seconds=60, most_bytes=64)
