"""Tokens from outside: given out, used at every door, taken back, over, while a gateway runs; and who did what."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import gateway_process
import pytest
from gateway_process import GatewayProcess, running, until, write_config
from raw_ws import RawClient

from quantmind.domain.tokens import hash_of

WALK = {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "random_walk", "seed": 1}}
BROKERS = {"demo": WALK, "other": WALK}
WITHIN_S = 30.0


def quantmind(config: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """A subcommand that needs no token, and ends with this code."""
    ran = gateway_process.quantmind(config, *arguments, token=None)
    assert ran.returncode == code, (ran.returncode, ran.stdout, ran.stderr)
    return ran


def status_of(gateway: GatewayProcess, path: str, token: str) -> int:
    try:
        gateway.get(path, token)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    return 200


def events(gateway: GatewayProcess, name: str) -> list[dict[str, Any]]:
    items = gateway.get("/journal?kind=event&limit=1000")["items"]
    return [item["body"] for item in items if item["body"]["name"] == name]


def over_zmq(gateway: GatewayProcess, **message: Any) -> Any:
    return gateway.command({"ea_name": "alpha", "symbol": "EURUSD", "magic": 7, **message})


def test_a_life(tmp_path: Path) -> None:
    """Added, used at each door, revoked: it opens nothing more, its session ends, and the journal has it all."""
    config = write_config(tmp_path, BROKERS)
    with running(config) as gateway:
        made = quantmind(config, "token", "add", "desk", "--scope", "read", "--scope", "admin", "--scope", "ea")
        token = made.stdout.strip()
        assert token.startswith("qm_")
        assert "shown this once" in made.stderr
        assert "never expires" in made.stderr
        assert token not in (tmp_path / "state" / "tokens.yaml").read_text(encoding="utf-8")
        until(lambda: gateway.get("/status")["tokens"]["known"] == 2, 10)
        assert status_of(gateway, "/status", token) == 200
        until(lambda: gateway.get("/status")["brokers"][0]["trading"]["state"] == "active")

        assert gateway.post("/risk/state", {"state": "reduce_only", "reason": "a test"}, token)[0] == 200
        assert gateway.post("/risk/state", {"state": "active", "reason": "a test"}, token)[0] == 200
        beat = over_zmq(gateway, type="heartbeat", broker="demo", token=token)
        assert beat["status"] == "success"
        opened = over_zmq(
            gateway, type="trade_open", broker="demo", side="buy", volume=0.01, execute=True, request_id="r1",
            timestamp=time.time(), token=token,
        )  # fmt: skip
        assert opened["status"] in ("success", "rejected")
        watcher = RawClient(gateway.port("websocket"))
        watcher.send({"type": "auth", "token": token})
        watcher.collect()
        until(lambda: [each for each in watcher.messages() if each["type"] == "authenticated"])

        assert "desk" in quantmind(config, "token", "list").stdout
        quantmind(config, "token", "revoke", "desk")
        watcher.join()
        assert watcher.close_code() == 4001
        assert "the token desk has been revoked" in watcher.messages()[-1]["message"]
        assert status_of(gateway, "/status", token) == 401
        assert over_zmq(gateway, type="heartbeat", broker="demo", token=token)["code"] == "unauthorized"

        assert events(gateway, "tokens_known")[0]["names"] == ["owner"]
        added = events(gateway, "token_added")[0]
        assert (added["token"], added["scopes"], added["expires"]) == ("desk", ["admin", "ea", "read"], None)
        assert [each["token"] for each in events(gateway, "token_revoked")] == ["desk"]
        denied = until(lambda: events(gateway, "token_denied"))
        assert {row["reason"] for row in denied[0]["denied"]} == {"unknown_token"}
        lines = gateway.get("/journal?limit=1000")["items"]
        by = {
            line["kind"] for line in lines if '"desk"' in json.dumps(line["body"]) or "(by desk)" in str(line["body"])
        }
        assert {"setting", "decision"} <= by, [line["kind"] for line in lines]
        assert token not in json.dumps(lines)
    log = "\n".join(gateway.log)
    assert token not in log


def test_an_end_and_a_broken_file(tmp_path: Path) -> None:
    """A token ends in its second, by itself. A file that is broken meanwhile takes nothing away and is in /status."""
    config = write_config(tmp_path, BROKERS)
    file = tmp_path / "state" / "tokens.yaml"
    with running(config) as gateway:
        later = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
        short = quantmind(config, "token", "add", "short", "--scope", "read", "--expires", later).stdout.strip()
        until(lambda: gateway.get("/status")["tokens"]["known"] == 2)
        assert status_of(gateway, "/status", short) == 200
        whole = file.read_text(encoding="utf-8")
        file.write_text("tokens: {short: {hash: nonsense}}", encoding="utf-8")
        error = until(lambda: gateway.get("/status")["tokens"]["error"])
        assert "tokens.short.hash" in error
        assert "nonsense" not in error
        assert status_of(gateway, "/status", short) == 200
        quantmind(config, "token", "add", "x", "--scope", "read", code=2)
        assert file.read_text(encoding="utf-8").endswith("nonsense}}")
        assert later in whole
        soon = f"{datetime.now(UTC) + timedelta(seconds=4):%Y-%m-%dT%H:%M:%SZ}"
        file.write_text(whole.replace(later, soon), encoding="utf-8")
        until(lambda: gateway.get("/status")["tokens"]["error"] is None)
        until(lambda: status_of(gateway, "/status", short) == 401)
        until(lambda: [each["token"] for each in events(gateway, "token_expired")] == ["short"])
        assert gateway.get("/status")["tokens"]["expired"] == ["short"]


def test_bindings_and_the_configuration(tmp_path: Path) -> None:
    """A token of the configuration works from the start; what it is bound to binds it at every door."""
    config = write_config(tmp_path, BROKERS)
    text = json.loads(config.read_text(encoding="utf-8"))
    secret = "a-token-of-the-configuration-0123456789-0123"
    text["tokens"] = {
        "robot": {"hash": hash_of(secret), "scopes": ["read", "ea", "trade"], "eas": ["alpha"], "brokers": ["other"]}
    }
    config.write_text(json.dumps(text), encoding="utf-8")
    quantmind(config, "check")
    quantmind(config, "token", "add", "robot", "--scope", "read", code=1)
    with running(config) as gateway:
        assert [each["broker"] for each in gateway.get("/status", secret)["brokers"]] == ["other"]
        until(lambda: status_of(gateway, "/account", secret) == 200)
        assert gateway.get("/account", secret)["broker"] == "other"
        assert status_of(gateway, "/account?broker=demo", secret) == 403
        for broker, ea_name, code in (
            ("other", "alpha", None),
            ("demo", "alpha", "forbidden"),
            ("other", "beta", "forbidden"),
        ):
            message = {"type": "heartbeat", "symbol": "EURUSD", "magic": 1, "broker": broker, "ea_name": ea_name}
            assert over_zmq(gateway, **message, token=secret).get("code") == code
            assert gateway.post("/command", message, secret)[1].get("code") == code
        order = {"symbol": "EURUSD", "action_type": "BUY", "volume": 0.01, "broker": "other"}
        status, problem = gateway.post("/trade", order, secret)
        assert (status, problem["code"]) == (403, "forbidden")
        assert "may not speak for rest:robot" in problem["detail"]


def test_check_warns(tmp_path: Path) -> None:
    """Of tokens of the file too; it stays a warning."""
    config = write_config(tmp_path, BROKERS)
    quantmind(config, "token", "add", "root", "--scope", "admin")
    quantmind(config, "token", "add", "soon", "--scope", "read", "--expires", "3d")
    said = quantmind(config, "check").stdout
    assert "WARNING: token root: it has the scope admin and never expires" in said
    assert "WARNING: token soon: it expires in 3.0 days" in said
    assert len(json.loads(quantmind(config, "check", "--json").stdout)["warnings"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("add", "owner", "--scope", "read"), 2, "the gateway's own token"),
        (("add", "t", "--scope", "bridge"), 2, "needs brokers"),
        (("add", "t", "--scope", "read", "--broker", "nope"), 2, "no broker is called nope"),
        (("add", "t", "--scope", "read", "--expires", "2020-01-01"), 2, "is over already"),
        (("add", "t", "--scope", "read", "--expires", "soon"), 2, "is no date"),
        (("add", "a b", "--scope", "read"), 2, "the name of a token"),
        (("revoke", "t"), 1, "there is no token t"),
    ],
)
def test_refusals(tmp_path: Path, arguments: tuple[str, ...], code: int, says: str) -> None:
    """Each in one line, and nothing is written."""
    config = write_config(tmp_path, BROKERS)
    assert says in quantmind(config, "token", *arguments, code=code).stderr
    assert not (tmp_path / "state" / "tokens.yaml").exists()


@pytest.mark.skipif(os.name != "posix", reason="starts processes in a hurry")
def test_two_at_once(tmp_path: Path) -> None:
    """Tokens that are added at the same time are all there."""
    config = write_config(tmp_path, BROKERS)
    command = [sys.executable, "-m", "quantmind", "token", "add", "--config", str(config), "--scope", "read"]
    adding = [subprocess.Popen([*command, f"t{n}"], stdout=subprocess.DEVNULL) for n in range(4)]
    assert [each.wait(timeout=60) for each in adding] == [0] * 4
    listed = json.loads(quantmind(config, "token", "list", "--json").stdout)["items"]
    assert [item["name"] for item in listed] == ["t0", "t1", "t2", "t3"]
