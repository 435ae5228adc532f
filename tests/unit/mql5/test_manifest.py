"""The note of what was installed: what can't be relied on is not relied on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quantmind.mql5.manifest import MANIFEST, MAX_BYTES, Manifest, ManifestDamaged, decode, encode

GOOD: dict[str, Any] = {
    "format": 1,
    "version": "0.1.0",
    "installed_at": "2026-11-28T12:00:00.000Z",
    "files": {"Include/QuantMind/Bridge/A b.mqh": "a" * 64},
}


def test_it_reads_what_it_writes() -> None:
    """And ends with a line end, as a file that people may open."""
    manifest = Manifest("0.1.0", "2026-11-28T12:00:00.000Z", {"Include/QuantMind/A.mqh": "0" * 64})
    assert decode(encode(manifest)) == manifest
    assert encode(manifest).endswith(b"}\n")
    assert decode(json.dumps(GOOD).encode()).files == GOOD["files"]


@pytest.mark.parametrize(
    "path",
    [
        "../outside.mqh",
        "Include/QuantMind/../../outside.mqh",
        "Include/QuantMind/..",
        "/etc/QuantMind/x",
        "C:/QuantMind/x.mqh",
        "Include/QuantMind/C:x",
        "Include\\QuantMind\\x.mqh",
        "Include/QuantMind/a\\..\\..\\..\\x.mqh",
        "Include/Trade/Trade.mqh",
        "Include/QuantMind",
        "Include/QuantMind/",
        "Include/QuantMind/x\n.mqh",
        MANIFEST,
    ],
)
def test_a_path_that_is_not_ours_is_damage(path: str) -> None:
    """Files are removed by it: it must not lead anywhere else."""
    with pytest.raises(ManifestDamaged, match="no file of ours"):
        decode(json.dumps({**GOOD, "files": {path: "a" * 64}}).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"\0" * 100,
        b" " * (MAX_BYTES + 1),
        json.dumps({**GOOD, "format": 2}).encode(),
        json.dumps({**GOOD, "version": "../1"}).encode(),
        json.dumps({**GOOD, "files": {"Include/QuantMind/A.mqh": "short"}}).encode(),
        json.dumps({**GOOD, "files": []}).encode(),
    ],
)
def test_what_is_cut_or_strange_is_damage(data: bytes) -> None:
    """It never ends in another error."""
    with pytest.raises(ManifestDamaged):
        decode(data)
