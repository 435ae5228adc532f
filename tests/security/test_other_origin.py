"""A page on another site, in a real Chromium on the gateway's machine: it reads no tick and trades nothing.

The page (tests/security/hostile_page) tries what a browser has: fetch and XHR in every mode and content type, with and
without a token, forms, beacons, embedding, EventSource, WebSocket, and requests at the ZeroMQ ports whose bodies hold
commands, also as frames of ZMTP 1.0. It is served by another port of this machine, under a foreign name, without an
origin (a sandboxed frame, a data: address), and as a site whose name resolves to this machine at the gateway's own port
(DNS rebinding). It is judged from both sides: what its script could read, and what the gateway has done.

Pages of this machine's own addresses are welcome by docs/rest.md and docs/protocol.md, and so need a token like
everybody; what a foreign name tries is refused also with the right one. A page whose origin is configured shows that
the same script reads and trades where it may, so that a test which sees nothing has looked.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import attrs
import pytest
from chromium import open_browser, serve_folder, until
from gateway_process import TOKEN, GatewayProcess, running, write_config
from gateway_process import until as until_seen

PAGE = Path(__file__).with_name("hostile_page")
WALK = {
    "type": "mt5_mock",
    "symbols": {"EURUSD": {}},
    "feed": {"type": "random_walk", "seed": 1, "ticks_per_s": 50},
}
FOREIGN = "evil.test"
"""Resolves to this machine in the browser of the tests."""
GUESSED = "a-token-of-somebody-else-0123456789"
PAUSE_MS = 4000
SECRETS = ('"bid"', '"ask"', '"balance"', '"equity"', '"ticket"')
"""What stands in ticks, accounts and answers to orders, and nowhere else."""


@attrs.frozen
class Attacked:
    """A gateway, and what it had done before somebody tried."""

    gateway: GatewayProcess
    status: dict[str, Any]

    @classmethod
    def now(cls, gateway: GatewayProcess) -> Attacked:
        return cls(gateway, gateway.get("/status"))

    def done(self) -> dict[str, Any]:
        """What has happened since."""
        status = self.gateway.get("/status")
        lines = self.gateway.get("/journal?kind=decision,intent,command,outcome&limit=1000")["items"]
        settings = self.gateway.get("/journal?kind=setting&limit=1000")["items"]
        return {
            "over ZeroMQ": status["zmq_commands"]["received"] - self.status["zmq_commands"]["received"],
            "over HTTP": status["http_commands"]["received"] - self.status["http_commands"]["received"],
            "ticks that came in": status["ingest"]["received"] - self.status["ingest"]["received"],
            "on record": len(lines),
            "set": [line["body"] for line in settings if line["body"]["key"].startswith("multiplier")],
            "trading": [each["trading"]["state"] for each in status["brokers"] if each["broker"] == "demo"],
            "positions": self.gateway.get("/positions?broker=demo")["items"],
            "orders": self.gateway.get("/orders?broker=demo")["items"],
        }

    def sessions(self) -> tuple[int, int]:
        """WebSocket clients that were let in since, and that were refused for where their page is from."""
        now, before = self.gateway.get("/status")["websocket"], self.status["websocket"]
        refused = now["refused"].get("origin", 0) - before["refused"].get("origin", 0)
        return now["accepted"] - before["accepted"], refused


NOTHING = {
    "over ZeroMQ": 0,
    "over HTTP": 0,
    "ticks that came in": 0,
    "on record": 0,
    "set": [],
    "trading": ["active"],
    "positions": [],
    "orders": [],
}


def what_to_attack(gateway: GatewayProcess, token: str, *, host: str = "127.0.0.1", **more: Any) -> dict[str, Any]:
    """The addresses of a gateway, and what the page sends there."""
    ports = {name: gateway.port(name) for name in gateway.addresses}
    in_time = {"expires_at": time.time() + 55}
    lower = {"type": "risk_update", "ea_name": "alpha", "risk_multiplier": 0.1, "broker": "demo"}
    trade = lower | {"type": "trade_open", "symbol": "EURUSD", "magic": 7, "side": "buy", "volume": 0.01} | in_time
    del trade["risk_multiplier"]
    trade |= {"execute": True, "request_id": "page", "token": token}
    return {
        "rest": f"http://{host}:{ports['rest']}",
        "ws": f"ws://{host}:{ports['websocket']}/",
        "zmq": [f"http://{host}:{ports[name]}/" for name in ("commands", "publish", "ingest")],
        "token": token,
        "commands": [json.dumps(lower), json.dumps(trade)],
        "order": {"broker": "demo", "symbol": "EURUSD", "action_type": "BUY", "volume": 0.01},
        "pause_ms": PAUSE_MS,
        **more,
    }


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    rules = f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1"
    with open_browser(tmp_path_factory.mktemp("profile"), rules) as page:
        page.set_script_timeout(60)
        yield page


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    """The port at which the page is."""
    with serve_folder(PAGE) as address:
        port = urlsplit(address).port
        assert port is not None
        yield port


def gateway_with(folder: Path, **sections: Any) -> Path:
    fed = {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "ingest"}}
    data = {"ingest_port": 0, "ingest_auth": "none"}
    return write_config(folder, {"demo": WALK, "fed": fed}, data=data, **sections)


def settled_in(gateway: GatewayProcess) -> GatewayProcess:
    until_seen(lambda: gateway.get("/status")["brokers"][0]["trading"]["state"] == "active")
    until_seen(lambda: gateway.get("/status")["brokers"][0]["feed"] == "live")
    return gateway


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Asks for a token everywhere."""
    folder = tmp_path_factory.mktemp("protected")
    with running(gateway_with(folder, websocket={"auth": "required"})) as gateway:
        yield settled_in(gateway)


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """As it comes: prices over WebSocket need no token."""
    with running(gateway_with(tmp_path_factory.mktemp("default"))) as gateway:
        yield settled_in(gateway)


def attack_from(browser: Any, site: int, host: str, to: dict[str, Any]) -> dict[str, str]:
    """Open the page under a name, have it try everything, and return what it could read by each try."""
    browser.get("about:blank")
    browser.get(f"http://{host}:{site}/index.html#{quote(json.dumps(to))}")
    seen: dict[str, str] = until(browser, lambda page: page.execute_script("return window.outcome"), "the page is done")
    return seen


def read(seen: dict[str, str]) -> dict[str, str]:
    """What could be read at all."""
    return {name: text for name, text in seen.items() if text and not text.startswith("!")}


PLACES = [(FOREIGN, "page"), (FOREIGN, "sandbox"), (FOREIGN, "data"), ("127.0.0.1", "sandbox"), ("localhost", "data")]
"""Under which name the page is, and what of it attacks; without an origin it is foreign wherever it came from."""


@pytest.mark.parametrize(("host", "attacker"), PLACES, ids=[" ".join(each) for each in PLACES])
@pytest.mark.parametrize("which", ["protected", "default"])
def test_a_foreign_page(
    browser: Any, site: int, request: pytest.FixtureRequest, which: str, host: str, attacker: str
) -> None:
    """It reads nothing at all and nothing is done, though it has the right token; no WebSocket is opened."""
    gateway = request.getfixturevalue(which)
    before = Attacked.now(gateway)
    seen = attack_from(browser, site, host, what_to_attack(gateway, TOKEN, **{"as": attacker}))
    assert len(seen) >= 60
    assert read(seen) == {}
    assert before.done() == NOTHING
    accepted, refused = before.sessions()
    assert accepted == 0
    assert refused == 3
    assert gateway.get("/clients")["items"] == []


@pytest.mark.parametrize("which", ["protected", "default"])
def test_a_name_that_resolves_to_this_machine(browser: Any, request: pytest.FixtureRequest, which: str) -> None:
    """DNS rebinding: for the browser the gateway is the page's own site; for the gateway its name is none of ours."""
    gateway = request.getfixturevalue(which)
    before = Attacked.now(gateway)
    to = what_to_attack(gateway, TOKEN, host=FOREIGN)
    # The attacker's own page, from before the name pointed here, has no policy that keeps it from asking; ours has.
    browser.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
    request.addfinalizer(lambda: browser.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False}))
    browser.get(f"{to['rest']}/health")
    assert "host_not_allowed" in browser.page_source
    code = (PAGE / "attack.js").read_text(encoding="utf-8")
    seen = browser.execute_async_script(f"{code}\nattack(arguments[0]).then(arguments[1]);", to)
    # Its own site's answers are readable, but for those that stand in no frame: each is the same refusal.
    assert {"fetch /ticks", "fetch /ticks token", "fetch /trade json", "XHR GET"} <= read(seen).keys()
    assert "frame" not in read(seen)
    for name, text in read(seen).items():
        assert json.loads(text)["code"] == "host_not_allowed", (name, text)
    assert before.done() == NOTHING
    assert before.sessions() == (0, 3)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("which", ["protected", "default"])
def test_another_page_of_this_machine(
    browser: Any, site: int, request: pytest.FixtureRequest, which: str, host: str
) -> None:
    """It may ask, and without a right token it gets what everybody gets: refusals, and prices where they are open."""
    gateway = request.getfixturevalue(which)
    before = Attacked.now(gateway)
    seen = attack_from(browser, site, host, what_to_attack(gateway, GUESSED, **{"as": "page"}))
    readable = read(seen)
    feed = {name: text for name, text in readable.items() if name.startswith("WebSocket")}
    for name, text in readable.items():
        if which == "protected" or name not in feed:
            assert not any(secret in text for secret in SECRETS), (name, text)
    assert '"unauthorized"' in seen["WebSocket ticks" if which == "protected" else "WebSocket channels"]
    assert ('"bid"' in seen["WebSocket ticks"]) == (which == "default")
    # The tenth wrong token from this machine is the last that is looked at for a while.
    assert json.loads(seen["fetch /ticks token"])["code"] in ("unauthorized", "busy")
    assert before.done() == NOTHING
    assert before.sessions()[1] == 0


def test_a_page_that_may(browser: Any, site: int, tmp_path: Path) -> None:
    """The same script on a configured origin with the right token reads ticks and the account, and trades."""
    origins = [f"http://{FOREIGN}:{site}"]
    config = gateway_with(tmp_path, websocket={"auth": "required", "origins": origins}, rest={"origins": origins})
    with running(config) as gateway:
        settled_in(gateway)
        before = Attacked.now(gateway)
        seen = attack_from(browser, site, FOREIGN, what_to_attack(gateway, TOKEN, **{"as": "page"}))
        assert '"bid"' in seen["fetch /ticks token"]
        assert '"bid"' in seen["fetch /ticks bearer"]
        assert '"equity"' in seen["fetch /account token"]
        assert '"bid"' in seen["WebSocket token"]
        assert '"balance"' in seen["WebSocket token"]
        assert '"ticket"' in seen["fetch /trade json"]
        assert '"halted"' in seen["fetch /risk/state"]
        assert '"bid"' not in seen["fetch /ticks"]
        assert '"bid"' not in seen["fetch /ticks token in address"]
        assert "content_type" in seen["fetch /trade text token"]
        done = before.done()
        assert len(done["positions"]) == 1, "one order had its token and said what it was"
        assert done["over ZeroMQ"] == 0
        assert done["set"] == []
