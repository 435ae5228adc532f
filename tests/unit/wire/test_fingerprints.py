"""Fingerprints as journals hold them: were one to change, each repeat of an older order would be taken for another.

Never change a line of fingerprints.json: add to it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quantmind.wire.commands import Trade, decode

RECORDED = json.loads((Path(__file__).parent / "fingerprints.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["fingerprint"])
def test_a_fingerprint_is_for_ever(recorded: dict[str, Any]) -> None:
    """The same order gives the fingerprint that was recorded for it."""
    command = decode(json.dumps(recorded["message"]).encode())
    assert isinstance(command, Trade)
    assert command.fingerprint() == recorded["fingerprint"]


def test_each_is_of_another_order() -> None:
    """None of these is a repeat of another, and each kind is among them."""
    assert len({recorded["fingerprint"] for recorded in RECORDED}) == len(RECORDED)
    kinds = {recorded["message"]["type"] for recorded in RECORDED}
    assert kinds == {"trade_open", "trade_close", "trade_modify", "trade_cancel"}
