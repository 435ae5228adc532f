"""ZeroMQ endpoints that ask who comes, from clients of pyzmq's own."""

import json
import os
import stat
import subprocess
import sys
import time
from decimal import Decimal

import pytest
import trio
import zmq
from gateway_process import TOKEN, running, write_config

from quantmind.client import CurveLogin, Filled, PlainLogin, open_commands
from quantmind.net.curve_keys import read_public, read_secret

DEMO = {
    "demo": {
        "type": "mt5_mock",
        "symbols": {"EURUSD": {"digits": 5}},
        "feed": {"type": "random_walk", "seed": 1, "ticks_per_s": 50},
    },
    "fed": {"type": "mt5_mock", "symbols": {"GBPUSD": {}}, "feed": {"type": "ingest"}},
}
HEARTBEAT = b'{"type":"heartbeat","ea_name":"Scalper","symbol":"EURUSD","magic":7,"broker":"demo"}'
QUIET_MS = 700
"""A peer that is not let in hears nothing; so long it is waited for."""


def quantmind(*arguments):
    return subprocess.run([sys.executable, "-m", "quantmind", *arguments], capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """The server's pair, one client that may, and one that may not."""
    folder = tmp_path_factory.mktemp("keys")
    done = quantmind("keys", "--out", str(folder), "--client", "desk", "--client", "stranger")
    assert done.returncode == 0, done.stderr
    (folder / "clients" / "stranger.key").rename(folder / "stranger.key")
    return folder


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, keys):
    curve = {
        "host": "127.0.0.1",
        "port": 0,
        "mechanism": "curve",
        "curve_server_key": str(keys / "server.key_secret"),
        "curve_clients_dir": str(keys / "clients"),
    }
    plain = {"host": "127.0.0.1", "port": 0, "mechanism": "plain"}
    config = write_config(
        tmp_path_factory.mktemp("gateway"),
        DEMO,
        commands={"secure": [curve, plain]},
        data={"secure": [curve, plain, {**plain, "serves": "ingest"}], "ingest_port": 0},
    )
    with running(config) as gateway:
        yield gateway


OPENED = []


@pytest.fixture
def context():
    with zmq.Context() as context:
        yield context
        while OPENED:
            OPENED.pop().close(0)


def pair_of(keys, name):
    file = keys / f"{name}.key_secret"
    return read_public(file), read_secret(file)


def connect(context, kind, address, *, curve=None, server=None, plain=None):
    opened = context.socket(kind)
    OPENED.append(opened)
    opened.setsockopt(zmq.LINGER, 0)
    if curve is not None:
        opened.curve_publickey, opened.curve_secretkey = (key.encode() for key in curve)
        opened.curve_serverkey = server.encode()
    if plain is not None:
        opened.plain_username, opened.plain_password = (text.encode() for text in plain)
    if kind == zmq.SUB:
        opened.subscribe(b"tick.demo")
    opened.connect(address)
    return opened


def asked(opened, message=HEARTBEAT, within_ms=5000):
    """The answer, or None when there is none."""
    opened.send(message)
    return json.loads(opened.recv()) if opened.poll(within_ms) else None


def test_addresses(gateway):
    """Each endpoint is printed under its own name."""
    assert {name for name in gateway.addresses if "_" in name} == {
        *("commands_curve", "commands_plain", "publish_curve", "publish_plain", "ingest_plain")
    }


def test_curve_lets_in_whose_key_is_there(gateway, keys, context):
    """And its token decides what it may: without one it gets no verdict."""
    server = read_public(keys / "server.key")
    client = connect(
        context, zmq.DEALER, gateway.addresses["commands_curve"], curve=pair_of(keys, "desk"), server=server
    )
    assert asked(client)["code"] == "unauthorized"
    with_token = json.loads(HEARTBEAT) | {"token": TOKEN}
    assert asked(client, json.dumps(with_token).encode())["status"] == "success"
    wrong = json.loads(HEARTBEAT) | {"token": "wrong"}
    assert asked(client, json.dumps(wrong).encode())["code"] == "unauthorized"


def test_curve_keeps_out_foreign_keys_and_clients_without(gateway, keys, context):
    """A stranger who knows the server's key, one who does not, and those of other mechanisms."""
    server, address = read_public(keys / "server.key"), gateway.addresses["commands_curve"]
    stranger = pair_of(keys, "stranger")
    before = gateway.get("/status")["secure"]["connections"]["denied"].get("unknown_key", 0)
    for given in (
        {"curve": stranger, "server": server},
        {"curve": pair_of(keys, "desk"), "server": stranger[0]},
        {"plain": ("ea", TOKEN)},
        {},
    ):
        assert asked(connect(context, zmq.DEALER, address, **given), within_ms=QUIET_MS) is None, given
    assert gateway.get("/status")["secure"]["connections"]["denied"]["unknown_key"] > before


def test_a_key_that_comes_later_is_let_in_and_one_that_went_is_not(gateway, keys, context):
    """The folder is read again, without a restart."""
    server, address = read_public(keys / "server.key"), gateway.addresses["commands_curve"]
    assert quantmind("keys", "--out", str(keys), "--client", "later").returncode == 0
    later = pair_of(keys, "later")
    assert asked(connect(context, zmq.DEALER, address, curve=later, server=server)) is not None
    (keys / "clients" / "later.key").unlink()
    assert asked(connect(context, zmq.DEALER, address, curve=later, server=server), within_ms=QUIET_MS) is None


def test_plain_lets_in_a_token(gateway, context):
    """The token of the connection counts for messages without one, and one of theirs counts first."""
    client = connect(context, zmq.DEALER, gateway.addresses["commands_plain"], plain=("ea", TOKEN))
    assert asked(client)["status"] == "success"
    wrong = json.loads(HEARTBEAT) | {"token": "wrong"}
    assert asked(client, json.dumps(wrong).encode())["code"] == "unauthorized"


@pytest.mark.parametrize("plain", [("ea", "wrong"), ("nobody", TOKEN), ("bridge", "wrong"), None])
def test_plain_keeps_out_everybody_else(gateway, context, plain):
    """Without a word."""
    client = connect(context, zmq.DEALER, gateway.addresses["commands_plain"], plain=plain)
    assert asked(client, within_ms=QUIET_MS) is None


def test_ticks_are_published_to_those_let_in(gateway, keys, context):
    """By both mechanisms; a stranger sees none."""
    server = read_public(keys / "server.key")
    address = gateway.addresses["publish_curve"]
    plain = gateway.addresses["publish_plain"]
    let_in = [
        connect(context, zmq.SUB, address, curve=pair_of(keys, "desk"), server=server),
        connect(context, zmq.SUB, plain, plain=("ea", TOKEN)),
    ]
    kept_out = [
        connect(context, zmq.SUB, address, curve=pair_of(keys, "stranger"), server=server),
        connect(context, zmq.SUB, plain, plain=("ea", "wrong")),
        connect(context, zmq.SUB, plain),
    ]
    for each in let_in:
        assert each.poll(5000)
        assert each.recv_multipart()[0] == b"tick.demo.EURUSD"
    assert not any(each.poll(QUIET_MS // 3) for each in kept_out)


def test_ticks_come_in_by_a_secure_endpoint(gateway, context):
    """As by the port on loopback: user = the broker."""
    sender = connect(context, zmq.PUB, gateway.addresses["ingest_plain"], plain=("fed", TOKEN))
    end = time.monotonic() + 20
    while time.monotonic() < end and not gateway.get("/status")["ingest"]["accepted"].get("fed"):
        tick = {"symbol": "GBPUSD", "bid": 1.25, "ask": 1.2501, "last": 0, "volume": 0}
        sender.send_multipart([b"tick.GBPUSD", json.dumps(tick | {"time_msc": int(time.time() * 1000)}).encode()])
        time.sleep(0.05)
    assert gateway.get("/status")["ingest"]["accepted"]["fed"] > 0


async def test_our_client_trades_through_both(gateway, keys):
    """`open_commands` with a login."""
    public, secret = pair_of(keys, "desk")
    logins = {
        "commands_curve": CurveLogin(read_public(keys / "server.key"), public, secret),
        "commands_plain": PlainLogin("ea", TOKEN),
    }
    for name, login in logins.items():
        with trio.fail_after(20):
            async with open_commands(
                gateway.addresses[name], ea_name="Scalper", token=TOKEN, broker="demo", magic=7, login=login
            ) as client:
                outcome = await client.open_position("EURUSD", Decimal("0.01"), "buy")
        assert isinstance(outcome, Filled), outcome


def test_status_tells_of_each_endpoint(gateway):
    """Who may, and what went through."""
    endpoints = gateway.get("/status")["secure"]["endpoints"]
    assert endpoints["commands_curve"]["mechanism"] == "curve"
    assert endpoints["commands_curve"]["clients"] == {"allowed": 1, "problem": None}
    assert endpoints["commands_plain"]["socket"]["received"] >= 0


def test_the_gateway_says_what_key_it_lacks(tmp_path):
    """And how it is made; made in the state folder it is found there."""
    curve = {"host": "127.0.0.1", "port": 0, "mechanism": "curve", "curve_clients": "any"}
    config = write_config(tmp_path, DEMO, commands={"secure": [curve]}, data={"ingest_port": 0})
    refused = quantmind("run", "--config", str(config))
    assert refused.returncode == 2
    assert "`quantmind keys` makes it" in refused.stderr
    checked = quantmind("check", "--config", str(config))
    assert checked.returncode == 2
    assert "gateway.commands.secure.1: " in checked.stderr
    made = quantmind("keys", "--config", str(config), "--json")
    assert made.returncode == 0, made.stderr
    (server,) = json.loads(made.stdout)["keys"]
    secret_file = tmp_path / "state" / "curve" / "server.key_secret"
    assert server["secret_file"] == str(secret_file)
    with running(config) as gateway, zmq.Context() as context:
        anyone = tuple(key.decode() for key in zmq.curve_keypair())
        address = gateway.addresses["commands_curve"]
        client = connect(context, zmq.DEALER, address, curve=anyone, server=server["public_key"])
        assert asked(client)["code"] == "unauthorized"
        client.close(0)
    if os.name == "posix":
        secret_file.chmod(0o644)
        refused = quantmind("run", "--config", str(config))
        assert refused.returncode == 2
        assert f"chmod 600 {secret_file}" in refused.stderr


def test_keys_are_made_once(tmp_path):
    """The server's pair stays, a client's is never overwritten, and secrets are its owner's alone."""
    first = json.loads(quantmind("keys", "--out", str(tmp_path), "--client", "desk", "--json").stdout)["keys"]
    again = quantmind("keys", "--out", str(tmp_path), "--json")
    assert json.loads(again.stdout)["keys"] == [first[0] | {"made": False}]
    assert read_public(tmp_path / "server.key") == first[0]["public_key"]
    assert read_public(tmp_path / "clients" / "desk.key") == first[1]["public_key"]
    if os.name == "posix":
        for name in ("server", "desk"):
            assert stat.S_IMODE((tmp_path / f"{name}.key_secret").stat().st_mode) == 0o600
    twice = quantmind("keys", "--out", str(tmp_path), "--client", "desk")
    assert twice.returncode == 69
    assert "is there already" in twice.stderr
    assert quantmind("keys", "--out", str(tmp_path), "--client", "../x").returncode == 2
