"""The example page in a real browser: live prices, what it missed, and coming back by itself."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from chromium import open_browser, serve_folder, until
from gateway_process import running, write_config

PAGE = Path(__file__).parents[2] / "docs" / "examples" / "web"
WALK = {"demo": {"type": "mt5_mock", "symbols": {"EURUSD": {}, "XAUUSD": {}}, "feed": {"type": "random_walk"}}}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def text(page: Any, selector: str) -> str:
    return str(page.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", selector))


def cell(page: Any, symbol: str, field: str) -> str:
    return text(page, f'tr[data-symbol="{symbol}"] td[data-field="{field}"]')


def test_the_page_shows_live_ticks_and_comes_back(tmp_path: Path) -> None:
    """Prices move, nothing is missed, an unknown symbol is named, and a gateway that was killed is found again."""
    config = write_config(tmp_path, WALK, websocket={"port": free_port()})
    with open_browser(tmp_path / "profile") as page, serve_folder(PAGE) as site:
        with running(config) as gateway:
            asked = {"address": gateway.addresses["websocket"], "symbols": "EURUSD, XAUUSD"}
            page.get(f"{site}/?{urlencode(asked)}")
            until(page, lambda p: text(p, "#state") == "connected", "connected")
            for symbol in ("EURUSD", "XAUUSD"):
                first = until(page, lambda p, s=symbol: cell(p, s, "seq"), f"a tick of {symbol}")
                until(page, lambda p, s=symbol, n=first: int(cell(p, s, "seq")) >= int(n) + 5, "further ticks")
                assert cell(page, symbol, "missed") == "0"
                assert float(cell(page, symbol, "bid")) <= float(cell(page, symbol, "ask"))
            gateway.process.kill()
            until(page, lambda p: "next attempt" in text(p, "#state"), "the loss is said")
            assert "old" in page.execute_script("return document.getElementById('rows').className")
        with running(config):
            until(page, lambda p: text(p, "#state") == "connected", "connected again")
            until(page, lambda p: int(cell(p, "EURUSD", "seq")) >= 3, "ticks of the new gateway")
            assert page.execute_script("return document.getElementById('rows').className") == ""
            page.get(f"{site}/?{urlencode({**asked, 'symbols': 'EURUSD NOPE'})}")
            until(page, lambda p: text(p, "#state") == "NOPE: unknown symbol", "the unknown symbol is named")
        faults = [entry for entry in page.get_log("browser") if "ERR_CONNECTION" not in entry["message"]]
        assert [entry["message"] for entry in faults if "favicon" not in entry["message"]] == []
