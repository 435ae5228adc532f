"""A token is where it must be and nowhere else: not in a log, an answer, the record, or in what a crash says."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gateway_process
import pytest
import zmq
from gateway_process import TOKEN, GatewayProcess, running, until
from raw_ws import RawClient
from security.attacker import (
    CLOSE,
    HOST,
    JSON,
    UPGRADE,
    headers_of,
    open_and_send,
    request,
    sized,
    spoken,
    status_of,
    token_header,
)
from security.conftest import made_config

from quantmind import cli
from quantmind.config import load
from quantmind.domain.tokens import hash_of
from quantmind.edges.rest.context import Ask
from quantmind.net.curve_keys import CurvePair
from quantmind.net.handshake import Handshake
from quantmind.net.zap import ZapRequest
from quantmind.net.zmq import CurveLogin, Incoming, PlainLogin
from quantmind.wire.auth import Authenticator, Identity
from quantmind.wire.commands import decode
from quantmind.wire.shapes import message_of
from quantmind.wire.ws_messages import AuthMessage

TESTS = Path(__file__).resolve().parents[1]
KNOWN = token_header(TOKEN)
WRONG = "a-wrong-token-that-somebody-pasted-0123456789"
"""Also a secret: it may be the right one of another gateway."""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GatewayProcess, Path]]:
    """A gateway that breaks at every door with a token in hand, and its folder."""
    folder = tmp_path_factory.mktemp("faulty")
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    with running(
        made_config(folder), "--verbose", module="security.faulty_gateway", env={"PYTHONPATH": path}
    ) as gateway:
        yield gateway, folder / "state"


def shows(gateway: GatewayProcess, text: str) -> bool:
    return any(text in line for line in gateway.log)


def no_secret_in(said: str) -> None:
    """Neither a token nor its hash."""
    for secret in (TOKEN, WRONG):
        assert secret not in said
        assert hash_of(secret).removeprefix("sha256:") not in said


def everything_said(gateway: GatewayProcess, state: Path) -> str:
    """The log, all that REST shows, and every row of the journal."""
    paths = ("/status", "/actors", "/clients", "/eas", "/journal?limit=1000", "/state", "/risk", "/commands", "/")
    said = [*gateway.log, *(json.dumps(gateway.get(path)) for path in paths)]
    with sqlite3.connect(f"file:{state / 'journal.sqlite3'}?mode=ro", uri=True) as journal:
        said += list(journal.iterdump())
    journal.close()
    return "\n".join(said)


# --- crashes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [TOKEN, WRONG])
def test_a_decoder_that_breaks_over_a_token_does_not_show_it(faulty: tuple[GatewayProcess, Path], token: str) -> None:
    """Not though the text of its error quotes the whole message: the log has the kind and the place alone."""
    gateway, state = faulty
    answer = gateway.command({"type": "heartbeat", "ea_name": "boom-decode", "broker": "demo", "token": token})
    assert answer["code"] == "internal"
    until(lambda: shows(gateway, "fail.decode"))
    assert shows(gateway, "error=RuntimeError at ")
    no_secret_in(json.dumps(answer))
    no_secret_in(everything_said(gateway, state))


def test_an_actor_that_breaks_over_a_command_does_not_show_its_token(faulty: tuple[GatewayProcess, Path]) -> None:
    """The crash quotes the command in the log and in /actors, with the token masked."""
    gateway, state = faulty
    answer = gateway.command({"type": "heartbeat", "ea_name": "boom-command", "broker": "demo", "token": TOKEN})
    assert answer["code"] == "internal"
    until(lambda: shows(gateway, "crash.actor path=execution/commands"))
    assert shows(gateway, "token=****")
    assert "boom with" in json.dumps(gateway.get("/actors"))
    no_secret_in(json.dumps(answer))
    no_secret_in(everything_said(gateway, state))


def test_a_route_that_breaks_does_not_show_the_token(faulty: tuple[GatewayProcess, Path]) -> None:
    """Neither of the header nor of the body; the client has an id and no text of the error."""
    gateway, state = faulty
    body = json.dumps({"type": "heartbeat", "ea_name": "x", "token": TOKEN}).encode()
    for sent in (
        request(b"GET /account", HOST, KNOWN, CLOSE),
        request(b"GET /account", HOST, b"Authorization: Bearer " + TOKEN.encode() + b"\r\n", CLOSE),
        request(b"POST /command", HOST, KNOWN, JSON, sized(body), CLOSE, body=body),
    ):
        answer = spoken(gateway.port("rest"), sent)
        assert status_of(answer) == 500
        assert b"boom" not in answer
        no_secret_in(answer.decode())
    until(lambda: shows(gateway, "boom with"))
    no_secret_in(everything_said(gateway, state))


def test_a_session_that_breaks_does_not_show_the_token(faulty: tuple[GatewayProcess, Path]) -> None:
    """Of the message, of the header of the handshake, and of its path."""
    gateway, state = faulty
    client = RawClient(gateway.port("websocket"))
    client.send({"type": "auth", "token": TOKEN, "id": "boom"})
    client.collect()
    until(client.close_code)
    client.leave()
    said = json.dumps(client.messages())
    bearer = b"Authorization: Bearer " + TOKEN.encode() + b"\r\n"
    line = b"GET /boom/" + TOKEN.encode()
    said += spoken(gateway.port("websocket"), request(line, HOST, UPGRADE, bearer)).decode("latin-1")
    until(lambda: sum("boom with" in line for line in gateway.log) >= 2)
    no_secret_in(said)
    no_secret_in(everything_said(gateway, state))


# --- what is wrong or refused -----------------------------------------------------------------------------------------


def test_tokens_in_urls_are_refused_and_never_logged(faulty: tuple[GatewayProcess, Path]) -> None:
    """Over REST and WebSocket; in a path of another form they open nothing and stand in no log either."""
    gateway, state = faulty
    for name in ("token", "access_token", "api_key"):
        line = f"GET /status?{name}={TOKEN}".encode()
        answer = spoken(gateway.port("rest"), request(line, HOST, CLOSE))
        assert status_of(answer) == 400
        no_secret_in(answer.decode())
    answer = spoken(gateway.port("websocket"), request(f"GET /?token={TOKEN}".encode(), HOST, UPGRADE))
    assert status_of(answer) == 400
    with open_and_send(gateway.port("websocket"), request(f"GET /?t={TOKEN}".encode(), HOST, UPGRADE)) as opened:
        assert status_of(opened.heard()) == 101
        assert all(each["authenticated_as"] is None for each in gateway.get("/clients")["items"])
    no_secret_in(everything_said(gateway, state))


def test_a_wrong_token_is_shown_nowhere(faulty: tuple[GatewayProcess, Path]) -> None:
    """It is the right one of somewhere else, or the right one with a slip: no answer, log or line has it."""
    gateway, state = faulty
    said = [json.dumps(gateway.command({"type": "heartbeat", "ea_name": "x", "broker": "demo", "token": WRONG}))]
    for header in (token_header(WRONG), b"Authorization: Bearer " + WRONG.encode() + b"\r\n",
                   b"Authorization: Basic " + WRONG.encode() + b"\r\n"):  # fmt: skip
        answer = spoken(gateway.port("rest"), request(b"GET /status", HOST, header, CLOSE))
        assert status_of(answer) in (401, 429)
        said.append(answer.decode())
    client = RawClient(gateway.port("websocket"))
    client.send({"type": "auth", "token": WRONG})
    client.collect()
    until(client.close_code)
    client.leave()
    said.append(json.dumps(client.messages()))
    with zmq.Context() as context, context.socket(zmq.PUB) as terminal:
        terminal.setsockopt(zmq.LINGER, 0)
        terminal.plain_username, terminal.plain_password = b"fed", WRONG.encode()
        terminal.connect(f"tcp://127.0.0.1:{gateway.port('ingest')}")
        until(lambda: shows(gateway, "deny.peer domain=ingest"))
    until(lambda: "token_denied" in json.dumps(gateway.get("/journal?kind=event&limit=1000")))
    no_secret_in("\n".join(said))
    no_secret_in(everything_said(gateway, state))


def test_no_answer_says_the_token_back(faulty: tuple[GatewayProcess, Path]) -> None:
    """Neither where it is right nor in a field or a place where it does not belong."""
    gateway, _ = faulty
    for line, body in (
        (b"GET /status", None),
        (b"POST /trade", {"symbol": "EURUSD", "action_type": "BUY", "volume": 0.1, "token": TOKEN}),
        (b"PUT /state", {"token": TOKEN}),
    ):
        raw = b"" if body is None else json.dumps(body).encode()
        answer = spoken(gateway.port("rest"), request(line, HOST, KNOWN, JSON, sized(raw), CLOSE, body=raw))
        assert headers_of(answer)["cache-control"] == "no-store"
        no_secret_in(answer.decode())


# --- the start --------------------------------------------------------------------------------------------------------


def test_a_start_that_fails_does_not_show_the_token(tmp_path: Path) -> None:
    """A port that is taken, a configuration with faults, a folder that can't be made: the reason, and no secret."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = made_config(tmp_path)
        text = json.loads(config.read_text(encoding="utf-8"))
        text["gateway"]["rest"]["port"] = taken.getsockname()[1]
        config.write_text(json.dumps(text), encoding="utf-8")
        ran = gateway_process.quantmind(config, "run")
        assert ran.returncode == 69
        assert "Traceback" not in ran.stderr
        no_secret_in(ran.stdout + ran.stderr)
    text["gateway"]["rest"] = {"port": 0, "nonsense": "${QUANTMIND_TOKEN}"}
    text["tokens"] = {"desk": {"hash": TOKEN, "scopes": ["read"]}, "dear": {"hash": "${QUANTMIND_TOKEN}"}}
    config.write_text(json.dumps(text), encoding="utf-8")
    for command in ("run", "check"):
        ran = gateway_process.quantmind(config, command)
        assert ran.returncode == 2
        assert "tokens.desk.hash" in ran.stderr
        no_secret_in(ran.stdout + ran.stderr)


def test_check_shows_no_secret(tmp_path: Path) -> None:
    """What it says of a sound configuration has neither hashes nor what the environment put in."""
    config = made_config(tmp_path)
    text = json.loads(config.read_text(encoding="utf-8"))
    text["tokens"] = {"desk": {"hash": hash_of(WRONG), "scopes": ["read"]}}
    config.write_text(json.dumps(text), encoding="utf-8")
    for more in ((), ("--json",)):
        ran = gateway_process.quantmind(config, "check", *more)
        assert ran.returncode == 0
        no_secret_in(ran.stdout + ran.stderr)
    loaded = load(config, {})
    no_secret_in(repr(loaded) + str(loaded.tokens))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_arguments_of_a_process_have_no_secret(gateway: GatewayProcess) -> None:
    """Every user of a machine may see them, unlike the environment."""
    line = Path(f"/proc/{gateway.process.pid}/cmdline").read_bytes()
    assert b"quantmind" in line
    no_secret_in(line.decode())
    assert Path(f"/proc/{gateway.process.pid}/environ").stat().st_mode & 0o077 == 0


def test_no_option_takes_a_secret() -> None:
    """So none can be put into the arguments: a token comes by the environment or a file, a key by a file."""
    options = {name for parser in parsers(cli._parser()) for name in parser._option_string_actions}
    assert "--config" in options
    assert "--scope" in options
    assert not [name for name in options if any(word in name for word in ("token", "secret", "password", "key-"))]
    # An Idempotency-Key is a name for a request and opens nothing.
    assert {name for name in options if "key" in name} == {"--key"}


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from parsers(each)


# --- objects that hold one --------------------------------------------------------------------------------------------


def objects() -> dict[str, Any]:
    """Everything that is handed about with a secret in it."""
    raw = json.dumps({"type": "trade_open", "ea_name": "x", "symbol": "E", "volume": 1, "magic": 1, "token": TOKEN})
    beat = json.dumps({"type": "heartbeat", "ea_name": "x", "token": TOKEN})
    headers = (("x-token", TOKEN),)
    return {
        "trade": decode(raw.encode()),
        "heartbeat": decode(beat.encode()),
        "message": message_of(raw.encode()),
        "ask": Ask(Identity("x"), {}, {}, headers, raw.encode()),
        "handshake": Handshake(f"/?token={TOKEN}", dict(headers), "127.0.0.1:1"),
        "incoming": Incoming((b"r",), raw.encode(), None),
        "auth": AuthMessage(TOKEN, None),
        "zap": ZapRequest("d", "127.0.0.1", "PLAIN", (b"fed", TOKEN.encode())),
        "plain": PlainLogin("fed", TOKEN),
        "curve": CurveLogin("s", "p", TOKEN),
        "pair": CurvePair("p", TOKEN),
        "authenticator": Authenticator.single(TOKEN),
        "identity": Authenticator.single(TOKEN).identify(TOKEN),
    }


@pytest.mark.parametrize("name", objects())
def test_what_holds_a_secret_does_not_show_it(name: str) -> None:
    """In no form in which it could come into a message: str, repr, and as a part of others."""
    held = objects()[name]
    assert held is not None
    for shown in (str(held), repr(held), f"{[held]}", f"{held!r}", str(RuntimeError(held))):
        no_secret_in(shown)
