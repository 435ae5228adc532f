"""A gateway whose WebSocket and HTTP doors speak TLS, in a process of its own."""

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time

import pytest
import trio
from certificates import Authority, needs_openssl
from gateway_process import TOKEN, running, write_config

from quantmind.client import Disconnected, FeedSettings, Tick, open_ticks
from quantmind.client.rest import RestClient, Unreachable
from quantmind.net.errors import NetError
from quantmind.net.ws import connect

pytestmark = needs_openssl

DEMO = {"demo": {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "random_walk", "seed": 1}}}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.make(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    return Authority.make(tmp_path_factory.mktemp("foreign"), "foreign")


@pytest.fixture(scope="module")
def issued(authority):
    return authority.issue()


@pytest.fixture(scope="module")
def config(tmp_path_factory, issued):
    tls = {"certificate": str(issued.certificate), "key": str(issued.key)}
    return write_config(tmp_path_factory.mktemp("gateway"), DEMO, tls=tls)


@pytest.fixture(scope="module")
def gateway(config):
    with running(config) as gateway:
        yield gateway


def status(gateway, authority):
    with RestClient(gateway.addresses["rest"], TOKEN, ca=authority.file) as client:
        return client.get("/status")["tls"]


def test_the_addresses_say_tls(gateway):
    """What is printed, and noted for other subcommands, can be used as it stands."""
    assert gateway.addresses["websocket"].startswith("wss://127.0.0.1:")
    assert gateway.addresses["rest"].startswith("https://127.0.0.1:")


async def test_the_client_takes_ticks_over_tls(gateway, authority):
    """wss:// is a feed as any other, and its big answers come whole."""
    with trio.fail_after(20):
        async with open_ticks(gateway.addresses["websocket"], ["EURUSD"], ca=authority.file) as feed:
            ticks = 0
            async for event in feed:
                ticks += isinstance(event, Tick)
                if ticks == 5:
                    break


async def test_a_client_that_does_not_trust_the_authority_gets_nothing(gateway, foreign):
    """The reason says what is wrong and how it is put right."""
    settings = FeedSettings(first_pause_s=0.05)
    with trio.fail_after(20):
        async with open_ticks(gateway.addresses["websocket"], ["EURUSD"], ca=foreign.file, settings=settings) as feed:
            async for event in feed:
                assert isinstance(event, Disconnected)
                assert "is not trusted" in event.reason
                assert "--ca" in event.reason
                break


async def test_a_client_of_tls_at_a_plain_port_is_told(tmp_path, authority):
    """It is not the certificate that is wrong then."""
    with running(write_config(tmp_path, DEMO)) as plain, trio.fail_after(20):
        with pytest.raises(NetError, match="speaks no TLS"):
            async with connect(plain.addresses["websocket"].replace("ws:", "wss:"), ca=authority.file):
                pass
        url = plain.addresses["rest"].replace("http:", "https:")
        with RestClient(url, TOKEN, ca=authority.file) as client, pytest.raises(Unreachable, match="speaks no TLS"):
            await trio.to_thread.run_sync(client.get, "/status")


def test_rest_over_tls(gateway, authority, foreign):
    """Reads and trades go as over HTTP; one that trusts nobody of ours gets a reason."""
    with RestClient(gateway.addresses["rest"], TOKEN, ca=authority.file) as client:
        body = {"symbol": "EURUSD", "action_type": "BUY", "volume": 0.1}
        assert client.send("POST", "/trade", body, key="over-tls")["ticket"]
        assert client.get("/account")["currency"] == "USD"
    with (
        RestClient(gateway.addresses["rest"], TOKEN, ca=foreign.file) as client,
        pytest.raises(Unreachable, match="is not trusted"),
    ):
        client.get("/status")


def test_subcommands_find_and_verify_it(config, gateway, authority, foreign):
    """By --ca or QUANTMIND_CA, else they refuse."""

    def quantmind(*arguments, ca=None):
        env = {**os.environ, "QUANTMIND_TOKEN": TOKEN, **({} if ca is None else {"QUANTMIND_CA": str(ca)})}
        return subprocess.run(
            [sys.executable, "-m", "quantmind", *arguments], capture_output=True, text=True, env=env, timeout=60
        )

    done = quantmind("positions", "--config", str(config), "--json", "--ca", str(authority.file))
    assert done.returncode == 0, done.stderr
    assert quantmind("risk", "--config", str(config), ca=authority.file).returncode == 0
    refused = quantmind("positions", "--config", str(config), ca=foreign.file)
    assert refused.returncode == 69
    assert "is not trusted" in refused.stderr
    missing = quantmind("positions", "--config", str(config), "--ca", "nowhere.pem")
    assert missing.returncode == 69
    assert "nowhere.pem" in missing.stderr
    ticks = quantmind(
        *("ticks", "EURUSD", "--count", "2", "--json", "--url", gateway.addresses["websocket"]),
        ca=authority.file,
    )
    assert ticks.returncode == 0, ticks.stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(gateway, authority):
    """A client that is not ours."""
    url = gateway.addresses["rest"] + "health"
    done = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", "--cacert", str(authority.file), url],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    refused = subprocess.run(["curl", "-sS", "--noproxy", "*", url], capture_output=True, text=True, timeout=30)
    assert refused.returncode == 60


@pytest.mark.parametrize("door", ["websocket", "rest"])
def test_plain_http_is_answered_closed_and_counted(gateway, authority, door):
    """Whoever forgets the s is told, and costs nobody else anything."""
    before = status(gateway, authority)["failed"].get("plain_http", 0)
    with socket.create_connection(("127.0.0.1", gateway.port(door)), timeout=10) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while data := client.recv(4096):
            answer += data
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"https://" in answer
    assert status(gateway, authority)["failed"]["plain_http"] == before + 1


@pytest.mark.parametrize("door", ["websocket", "rest"])
@pytest.mark.parametrize(
    ("sent", "reason"), [(b"\x05\x01\x00", "not_tls"), (b"\x16\x03\x01\x00\x05hello", "handshake")]
)
def test_what_is_no_handshake_is_closed_and_counted(gateway, authority, door, sent, reason):
    """Others go on as before."""
    before = status(gateway, authority)["failed"].get(reason, 0)
    with socket.create_connection(("127.0.0.1", gateway.port(door)), timeout=10) as client:
        client.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            while client.recv(4096):
                pass
    assert status(gateway, authority)["failed"][reason] == before + 1


def test_old_tls_is_refused(gateway, authority):
    """1.2 at least."""
    context = ssl.create_default_context(cafile=authority.file)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", gateway.port("rest")), timeout=10) as client, pytest.raises(OSError):
        context.wrap_socket(client, server_hostname="127.0.0.1")


def test_status_shows_the_certificate(gateway, authority):
    """When it ends, and whom it is for."""
    shown = status(gateway, authority)
    certificate = shown["certificate"]
    assert certificate["names"] == ["localhost", "127.0.0.1"]
    assert 88 <= certificate["days_left"] <= 90
    assert certificate["problem"] is None
    assert shown["opened"] > 0


def test_a_gateway_with_a_certificate_that_is_no_good_does_not_start(tmp_path, authority):
    """It says which file, and `check` says so as well."""
    old = authority.issue("old", days=-1)
    config = write_config(tmp_path, DEMO, tls={"certificate": str(old.certificate), "key": str(old.key)})
    for command in ("run", "check"):
        done = subprocess.run(
            [sys.executable, "-m", "quantmind", command, "--config", str(config)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 2
        assert f"the certificate in {old.certificate} has expired" in done.stderr


def test_it_stops_in_order_with_tls(tmp_path, authority, issued):
    """Clients that have just begun their handshake hold up nothing."""
    tls = {"certificate": str(issued.certificate), "key": str(issued.key)}
    with running(write_config(tmp_path, DEMO, tls=tls)) as gateway:
        silent = [socket.create_connection(("127.0.0.1", gateway.port(door))) for door in ("websocket", "rest")]
        began = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - began < 8
        for each in silent:
            each.close()


def test_a_renewed_certificate_is_taken_by_a_running_gateway(tmp_path, authority):
    """Without a restart; a broken one keeps it, and /status says so."""
    issued = authority.issue("renewed")
    tls = {"certificate": str(issued.certificate), "key": str(issued.key)}
    with running(write_config(tmp_path, DEMO, tls=tls)) as gateway:
        assert status(gateway, authority)["certificate"]["renewed"] == 0
        authority.issue("renewed", names="DNS:localhost,IP:127.0.0.1,DNS:new.example")
        certificate = wait_for(gateway, authority, lambda shown: shown["renewed"] == 1)
        assert "new.example" in certificate["names"]
        issued.key.write_text("broken")
        certificate = wait_for(gateway, authority, lambda shown: shown["problem"] is not None)
        assert str(issued.key) in certificate["problem"]
        assert "new.example" in certificate["names"]


def wait_for(gateway, authority, there):
    end = time.monotonic() + 40
    while time.monotonic() < end:
        certificate = status(gateway, authority)["certificate"]
        if there(certificate):
            return certificate
        time.sleep(0.5)
    raise AssertionError(certificate)


def test_it_is_reached_from_elsewhere(tmp_path, issued, authority):
    """On every address of the machine; a client without a token gets no prices there."""
    tls = {"certificate": str(issued.certificate), "key": str(issued.key)}
    config = write_config(
        tmp_path,
        DEMO,
        tls=tls,
        websocket={"host": "0.0.0.0", "auth": "required"},
        rest={"host": "0.0.0.0", "hosts": ["localhost", "127.0.0.1", "gateway.lan"]},
    )
    with running(config) as gateway:
        assert gateway.addresses["rest"].startswith("https://127.0.0.1:")
        assert status(gateway, authority)["opened"] > 0
        arguments = ("ticks", "EURUSD", "--count", "1", "--config", str(config), "--ca", str(authority.file))
        for token, exit_code in ((TOKEN, 0), (None, 69)):
            env = {name: value for name, value in os.environ.items() if name != "QUANTMIND_TOKEN"}
            done = subprocess.run(
                [sys.executable, "-m", "quantmind", *arguments],
                capture_output=True,
                text=True,
                env=env if token is None else {**env, "QUANTMIND_TOKEN": token},
                timeout=60,
            )
            assert done.returncode == exit_code, done.stderr


@pytest.mark.parametrize("door", ["websocket", "rest", "commands", "data"])
def test_without_encryption_it_does_not_start_off_loopback(tmp_path, door):
    """It says why, and what to do."""
    config = write_config(tmp_path, DEMO, **{door: {"host": "0.0.0.0"}})
    done = subprocess.run(
        [sys.executable, "-m", "quantmind", "run", "--config", str(config)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert f"gateway.{door}.host" in done.stderr
    assert ("gateway.tls.certificate" if door in ("websocket", "rest") else "under secure") in done.stderr
