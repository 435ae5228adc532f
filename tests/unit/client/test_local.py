"""The gateway on this machine is found by what it noted, and nothing is made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantmind.adapters.state_folder import StateFolder
from quantmind.client import LocalGateway, NoGateway, find_gateway

ADDRESSES = {
    name: f"tcp://127.0.0.1:{port}" for port, name in enumerate(("websocket", "commands", "publish", "rest"), 1)
}


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUANTMIND_TOKEN", raising=False)


def test_what_a_gateway_notes_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses and token of the folder; a token in the environment stands before it."""
    folder = StateFolder.open(tmp_path)
    folder.write_addresses({**ADDRESSES, "ingest": "tcp://127.0.0.1:5"})
    assert find_gateway(tmp_path) == LocalGateway(**ADDRESSES, token=None, ingest="tcp://127.0.0.1:5")
    assert find_gateway(str(tmp_path)).token is None
    made = folder.token()
    assert find_gateway(tmp_path).token == made
    assert made not in repr(find_gateway(tmp_path))
    monkeypatch.setenv("QUANTMIND_TOKEN", "from-the-environment")
    assert find_gateway(tmp_path).token == "from-the-environment"
    folder.forget_addresses()
    with pytest.raises(NoGateway, match="quantmind run"):
        find_gateway(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"addresses": []}', '{"addresses": {"rest": "x"}}', "\x00"])
def test_a_note_that_is_none(tmp_path: Path, text: str) -> None:
    """A torn or foreign file is no gateway."""
    (tmp_path / "gateway.json").write_text(text, encoding="utf-8")
    with pytest.raises(NoGateway, match="gateway"):
        find_gateway(tmp_path)
