"""Guessing a token: each door slows it down, no door says how near it came, and it keeps nobody else out."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from gateway_process import TOKEN, GatewayProcess, running, until
from raw_ws import RawClient
from security.attacker import CLOSE, HOST, headers_of, json_of, request, spoken, status_of, token_header
from security.conftest import made_config

from quantmind.adapters.token_file import make_token
from quantmind.wire import auth
from quantmind.wire.auth import Authenticator, Identity
from quantmind.wire.brake import MOST_WRONG

HEADER = {
    "x-token": lambda token: token_header(token),
    "bearer": lambda token: b"Authorization: Bearer " + token.encode() + b"\r\n",
}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway of its own: a held address is held for all."""
    with running(made_config(tmp_path)) as opened:
        yield opened


def over_rest(gateway: GatewayProcess, token: str) -> bytes:
    return spoken(gateway.port("rest"), request(b"GET /account?broker=demo", HOST, token_header(token), CLOSE))


def over_zmq(gateway: GatewayProcess, token: str) -> Any:
    return gateway.command({"type": "heartbeat", "ea_name": "x", "broker": "demo", "token": token})


def over_websocket(gateway: GatewayProcess, token: str) -> tuple[list[Any], int | None]:
    """What is said to a session that shows a token, and how it is closed; one that was let in is left open."""
    client = RawClient(gateway.port("websocket"))
    client.send({"type": "auth", "token": token})
    client.collect()
    until(lambda: [each for each in client.messages() if each["type"] in ("authenticated", "error")])
    last = [each for each in client.messages() if each["type"] in ("authenticated", "error")]
    code = until(client.close_code) if last[0]["type"] == "error" else None
    client.leave()
    return last, code


def sends_prices(gateway: GatewayProcess, token: str) -> Any:
    """Show a token at the door for prices; gives what became of it: let in, or the reason that was counted."""
    before = denied(gateway)
    with zmq.Context() as context, context.socket(zmq.PUB) as terminal:
        terminal.setsockopt(zmq.LINGER, 0)
        terminal.plain_username, terminal.plain_password = b"fed", token.encode()
        terminal.connect(f"tcp://127.0.0.1:{gateway.port('ingest')}")

        def outcome() -> str:
            terminal.send_multipart([b"tick.USDJPY", b"{}"])
            status = gateway.get("/status")
            if status["ingest"]["received"]:
                return "let in"
            return next((reason for reason, count in denied(gateway).items() if count > before.get(reason, 0)), "")

        return until(outcome)


def denied(gateway: GatewayProcess) -> dict[str, int]:
    found = gateway.get("/status")["tokens"]["denied"]
    return {name.removeprefix("ingest."): count for name, count in found.items() if name.startswith("ingest.")}


def guesses() -> Iterator[str]:
    """Wrong ones, among them some that are nearly right."""
    near = [TOKEN[:-1], TOKEN + "x", TOKEN[:-1] + "X", TOKEN.upper(), " ", "qm_", TOKEN[::-1]]
    yield from near
    while True:
        yield make_token()


def test_guessing_over_rest_is_held_up_at_every_door_but_for_the_right_token(gateway: GatewayProcess) -> None:
    """Ten wrong ones from an address; then 429, `rate_limited` and no way in for prices, and the owner still passes."""
    tries = guesses()
    for _ in range(MOST_WRONG):
        assert status_of(over_rest(gateway, next(tries))) == 401
    answer = over_rest(gateway, next(tries))
    assert status_of(answer) == 429
    assert 1 <= int(headers_of(answer)["retry-after"]) <= 61
    said, code = over_websocket(gateway, next(tries))
    assert (said[0]["code"], code) == ("rate_limited", 4029)
    assert sends_prices(gateway, next(tries)) == "too_many_wrong"
    assert status_of(over_rest(gateway, TOKEN)) in (200, 503)
    assert over_websocket(gateway, TOKEN)[0][0]["type"] == "authenticated"
    assert sends_prices(gateway, TOKEN) == "let in"
    assert over_zmq(gateway, TOKEN)["status"] == "success"


def test_guessing_over_websocket_is_held_up(gateway: GatewayProcess) -> None:
    """Each wrong one costs the session; after ten there is no looking at any more, over REST either."""
    tries = guesses()
    for _ in range(MOST_WRONG):
        said, code = over_websocket(gateway, next(tries).strip() or "x")
        assert (said[0]["code"], code) == ("unauthorized", 4001)
    said, code = over_websocket(gateway, make_token())
    assert (said[0]["code"], code) == ("rate_limited", 4029)
    assert status_of(over_rest(gateway, make_token())) == 429
    assert status_of(over_rest(gateway, TOKEN)) in (200, 503)


def test_guessing_over_zeromq_is_held_up(gateway: GatewayProcess) -> None:
    """All of the port counts as one address; who sends no token goes on, and the right one passes."""
    for guess, _ in zip(guesses(), range(MOST_WRONG), strict=False):
        assert over_zmq(gateway, guess)["code"] == "unauthorized"
    assert over_zmq(gateway, make_token())["code"] == "busy"
    assert gateway.command({"type": "heartbeat", "ea_name": "x", "broker": "demo"})["status"] == "success"
    assert over_zmq(gateway, TOKEN)["status"] == "success"


def test_a_short_token_is_not_looked_at_while_its_address_is_held() -> None:
    """It could be guessed; so it waits with the others, and the answer is the same whether it was right."""
    authenticator = Authenticator({"short-one": ("owner", frozenset({"admin"}))}, steady=lambda: 0.0)
    for _ in range(MOST_WRONG):
        authenticator.admit("wrong", peer="a", via="http")
    right, wrong = (authenticator.admit(token, peer="a", via="http") for token in ("short-one", "wrong"))
    assert right == wrong
    assert isinstance(authenticator.admit("short-one", peer="b", via="http"), Identity)


@pytest.mark.parametrize("via", HEADER)
def test_an_answer_does_not_say_how_near_a_guess_was(gateway: GatewayProcess, via: str) -> None:
    """Word for word the same for one that is off by a character as for any other."""
    tries = guesses()
    answers = [
        spoken(gateway.port("rest"), request(b"GET /status", HOST, HEADER[via](next(tries)), CLOSE)) for _ in range(8)
    ]
    assert {status_of(answer) for answer in answers} == {401}
    assert len({json.dumps(json_of(answer)) for answer in answers}) == 1


def test_the_work_of_a_comparison_does_not_depend_on_the_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many comparisons in constant time, of as many bytes, whatever is sent, and whether it matches."""
    known = [make_token() for _ in range(20)]
    authenticator = Authenticator({token: (f"t{n}", frozenset({"read"})) for n, token in enumerate(known)})
    compared: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return hmac.compare_digest(one, other)

    class Counted:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(auth, "hmac", Counted)
    for token in (known[0], known[-1], known[0][:-1], "", "x" * 100_000, "\ud800", make_token()):
        compared.clear()
        authenticator.identify(token)
        assert compared == [(32, 32)] * len(known)
