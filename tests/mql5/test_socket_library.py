"""`CQuantMindSocket` against gateways, and against what only looks like one: nothing but an approval is an approval."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from gateway_process import GatewayProcess, done, running, until, write_config
from mql5.build import build, require_gpp
from mql5.program import run
from mql5.worlds import free_port

ASK = Path(__file__).parent / "programs" / "ask.mq5"
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06ROUTER"

Answer = Callable[[dict[str, Any]], bytes | None]


def asked(port: int, **inputs: Any) -> list[str]:
    """Run the asker; its lines."""
    environment = {name: str(value) for name, value in inputs.pop("environment", {}).items()}
    settings = {f"Inp{name}": value for name, value in inputs.items()}
    require_gpp()
    finished = run(build(ASK), inputs={"InpPort": port, **settings}, environment=environment, timeout=120)
    assert finished.exit_code == 0, finished.errors
    assert finished.lines[-1] == "done"
    return list(finished.lines)


def said(lines: list[str]) -> list[dict[str, str]]:
    """What came of each question."""
    found = [line.split() for line in lines if line.startswith("said ")]
    return [{"verdict": words[1], **dict(word.partition("=")[::2] for word in words[2:])} for words in found]


def approval(question: dict[str, Any], **more: Any) -> bytes:
    """As a gateway would say it."""
    reply = {"status": "success", "approved": True, "risk_multiplier": 1, "approved_volume": question["volume"]}
    reply = {**reply, "approval_id": "a1", "valid_for_ms": 5000, "reasons": [], "timestamp": time.time()}
    return json.dumps({**reply, "request_id": question["request_id"], **more}).encode()


@contextlib.contextmanager
def router(answer: Answer, port: int = 0, plain: bool = False) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """A ROUTER that answers as it is told, and the questions that it was asked."""
    questions: list[dict[str, Any]] = []
    ended = threading.Event()
    context = zmq.Context()
    door = context.socket(zmq.ROUTER)
    door.linger = 0
    if port:
        door.bind(f"tcp://127.0.0.1:{port}")
    else:
        port = door.bind_to_random_port("tcp://127.0.0.1")

    def serve() -> None:
        while not ended.is_set():
            if not door.poll(50):
                continue
            *route, body = door.recv_multipart()
            questions.append(json.loads(body))
            said_back = answer(questions[-1])
            if said_back is not None:
                door.send_multipart([*route, said_back])

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield port, questions
    finally:
        ended.set()
        thread.join()
        door.close()
        context.term()


@contextlib.contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server whose connections are given to `talk`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        ended = threading.Event()
        threads: list[threading.Thread] = []

        def guarded(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(10)
                talk(connection)

        def accept() -> None:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = listener.accept()
                    threads.append(threading.Thread(target=guarded, args=(connection,)))
                    threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            accepting.join()
            for thread in threads:
                thread.join()


def until_closed(connection: socket.socket) -> None:
    """Read what comes, and say nothing."""
    while connection.recv(65536):
        pass


# --- a real gateway ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GatewayProcess, int, int, dict[str, str]]]:
    """A gateway on the paper account, its HTTP port, its PLAIN port, and tokens."""
    folder = tmp_path_factory.mktemp("gateway")
    plain = free_port()
    secure = [{"host": "127.0.0.1", "port": plain, "mechanism": "plain"}]
    config = write_config(
        folder,
        {"demo": {"type": "mt5_mock", "symbols": {"EURUSD": {}}}},
        commands={"secure": secure},
    )
    tokens = {name: done(config, "token", "add", name, "--scope", name)["token"] for name in ("ea", "read")}
    with running(config) as started:
        until(lambda: started.get("/status")["brokers"][0]["trading"]["state"] == "active")
        yield started, started.port("rest"), plain, tokens


Doors = tuple[GatewayProcess, int, int, dict[str, str]]


def test_a_verdict_over_zmtp(gateway: Doors) -> None:
    """Approved by the governor, with its multiplier."""
    (found,) = said(asked(gateway[0].port("commands")))
    assert (found["verdict"], found["status"], found["multiplier"]) == ("approved", "success", "1.00")


def test_a_refusal_names_its_rule(gateway: Doors) -> None:
    """And is no approval."""
    lines = asked(gateway[0].port("commands"), Volume=77)
    (found,) = said(lines)
    assert (found["verdict"], found["status"]) == ("refused", "rejected")
    assert any(line.startswith("because refused: max_volume ") for line in lines)


def test_an_order_that_the_gateway_places(gateway: Doors) -> None:
    """With its ticket, digit by digit."""
    (found,) = said(asked(gateway[0].port("commands"), Execute=True, Token=gateway[3]["ea"]))
    assert found["verdict"] == "approved"
    until(lambda: found["ticket"] in [str(each["ticket"]) for each in gateway[0].get("/positions")["items"]], 5)


def test_a_comment_that_is_not_ascii(gateway: Doors) -> None:
    """Every character arrives."""
    comment = 'Grüße "€" \\ 你好'
    asked(gateway[0].port("commands"), Execute=True, Token=gateway[3]["ea"], Comment=comment)
    until(lambda: comment in [each["comment"] for each in gateway[0].get("/positions")["items"]], 5)


@pytest.mark.parametrize(("token", "code"), [("", "unauthorized"), ("wrong-token-0123456789", "unauthorized")])
def test_a_wrong_token(gateway: Doors, token: str, code: str) -> None:
    """Nothing is traded, and the gateway's words say why."""
    (found,) = said(asked(gateway[0].port("commands"), Execute=True, Token=token))
    assert (found["verdict"], found["status"], found["code"], found["unknown"]) == ("refused", "error", code, "none")


def test_a_token_without_the_scope(gateway: Doors) -> None:
    """One that may only read trades nothing."""
    (found,) = said(asked(gateway[0].port("commands"), Execute=True, Token=gateway[3]["read"]))
    assert (found["verdict"], found["code"]) == ("refused", "forbidden")


def test_plain_with_a_token(gateway: Doors) -> None:
    """The connection's password is the token of its commands."""
    (found,) = said(asked(gateway[2], Plain="ea", Token=gateway[3]["ea"], Execute=True))
    assert found["verdict"] == "approved"


def test_plain_with_a_wrong_token(gateway: Doors) -> None:
    """Refused at the handshake, though libzmq misspells the refusal."""
    lines = asked(gateway[2], Plain="ea", Token="wrong-token-0123456789", Timeout=300, Attempts=2)
    (found,) = said(lines)
    assert (found["verdict"], found["status"]) == ("refused", "no_answer")
    assert any("the peer refused us" in line for line in lines)


def test_null_at_a_port_with_plain(gateway: Doors) -> None:
    """The gateway hangs up without a word, and it is said what that may be."""
    lines = asked(gateway[2], Timeout=300, Attempts=1)
    assert any("one of the two has PLAIN and the other has not" in line for line in lines), lines


def test_over_http(gateway: Doors) -> None:
    """The same commands over WebRequest."""
    (found,) = said(asked(gateway[1], Http=True, Token=gateway[3]["ea"], Execute=True))
    assert (found["verdict"], found["status"]) == ("approved", "success")


def test_a_wrong_token_over_http(gateway: Doors) -> None:
    """401 says what to set."""
    lines = asked(gateway[1], Http=True, Token="wrong-token-0123456789")
    (found,) = said(lines)
    assert (found["verdict"], found["status"], found["code"]) == ("refused", "error", "http_401")
    assert any("SetToken" in line for line in lines)


# --- what only looks like one -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda question: approval(question, approved="true"),
        lambda question: approval(question, approved=1),
        lambda question: approval(question, approved=None),
        lambda question: approval(question, status="rejected"),
        lambda question: approval(question, status="error"),
        lambda question: approval(question, status="unknown"),
        lambda question: approval(question, status="fine"),
        lambda question: approval(question, request_id="another"),
        lambda question: approval(question, request_id=None),
        lambda question: approval(question)[:-1],
        lambda question: approval(question) + b"}",
        lambda question: approval(question).replace(b'"approved": true', b'"approved": true, "approved": true'),
        lambda question: approval(question).replace(b"true", b"True"),
        lambda question: b"[" + approval(question) + b"]",
        lambda question: b"",
        lambda question: b"\xff\xfe",
        lambda question: b"true",
    ],
)
def test_what_is_no_approval(answer: Answer) -> None:
    """Only `true` in a whole answer to this very question is one."""
    with router(answer) as (port, _):
        (found,) = said(asked(port, Timeout=300, Attempts=1))
    assert (found["verdict"], found["multiplier"] in ("0.00", "1.00")) == ("refused", True)


def test_an_answer_of_100_kilobytes() -> None:
    """It is read to its end."""
    with router(lambda question: approval(question, padding="x" * 100_000)) as (port, _):
        (found,) = said(asked(port))
    assert found["verdict"] == "approved"


@pytest.mark.parametrize(
    "environment",
    [
        {"MQL_SOCKET_ONE_BYTE_READS": 1},
        {"MQL_SOCKET_READ_FULL": 1},
        {"MQL_SOCKET_ALWAYS_ONE": 1},
        {"MQL_SOCKET_TIMEOUT_ERROR": 1},
        {"MQL_SOCKET_SHORT_SEND": 1},
        {"MQL_SOCKET_NAGLE": 1},
        {"MQL_SOCKET_READ_FULL": 1, "MQL_SOCKET_ALWAYS_ONE": 1, "MQL_SOCKET_TIMEOUT_ERROR": 1},
    ],
    ids=lambda each: "+".join(name.removeprefix("MQL_SOCKET_").lower() for name in each),
)
def test_however_the_terminal_s_sockets_are(environment: dict[str, int]) -> None:
    """Each reading of their documentation."""
    with router(lambda question: approval(question, padding="y" * 3000)) as (port, questions):
        found = said(asked(port, Count=5, Comment="z" * 300, environment=environment))
    assert [each["verdict"] for each in found] == ["approved"] * 5
    assert len(questions) == 5


def test_a_server_that_never_answers() -> None:
    """Each attempt has the same id; at the end it is no approval, and a verdict leaves nothing unknown."""
    with router(lambda question: None) as (port, questions):
        (found,) = said(asked(port, Timeout=200, Attempts=3))
    assert (found["verdict"], found["status"], found["unknown"]) == ("refused", "no_answer", "none")
    assert len(questions) == 3
    assert len({question["request_id"] for question in questions}) == 1
    assert int(found["took_ms"]) < 5_000


def test_an_order_that_nobody_answers_is_unknown_and_blocks_the_next() -> None:
    """The second order is not sent; what is asked again is the first one, word by word."""
    with router(lambda question: None) as (port, questions):
        lines = asked(port, Timeout=200, Attempts=2, Count=2, Execute=True, Token="x" * 20)
    first, second = said(lines)
    assert (first["verdict"], first["status"], first["unknown"]) == ("refused", "unknown", "pending")
    assert (second["verdict"], second["status"], second["code"]) == ("refused", "unknown", "unknown_pending")
    assert len({json.dumps(question, sort_keys=True) for question in questions}) == 1
    assert "resolved false status=unknown" in lines


def test_an_order_whose_fate_becomes_known_lets_the_next_go() -> None:
    """Its answer comes when it is asked for again, and the next order has an id of its own."""
    silent = 2

    def answer(question: dict[str, Any]) -> bytes | None:
        nonlocal silent
        silent -= 1
        return None if silent >= 0 else approval(question, ticket=17)

    with router(answer) as (port, questions):
        lines = asked(port, Timeout=200, Attempts=2, Count=2, Execute=True, Token="x" * 20)
    first, second = said(lines)
    assert first["status"] == "unknown"
    assert (second["verdict"], second["unknown"]) == ("approved", "none")
    ids = [question["request_id"] for question in questions]
    assert ids[0] == ids[1] == ids[2] != ids[3]


def test_busy_does_not_make_an_unknown_order_known() -> None:
    """A gateway that decided nothing now may have carried out what came before."""
    answers = iter([None, b"busy", b"busy", b"busy", b"busy"])

    def answer(question: dict[str, Any]) -> bytes | None:
        found = next(answers, b"busy")
        return found and approval(question, status="error", approved=False, code="busy")

    with router(answer) as (port, _):
        lines = asked(port, Timeout=200, Attempts=2, Execute=True, Token="x" * 20)
    (found,) = said(lines)
    assert (found["status"], found["unknown"]) == ("unknown", "pending")
    assert "resolved false status=unknown" in lines


def test_a_gateway_that_is_started_again() -> None:
    """The question that got no answer is repeated on the new connection, with its id."""
    first_questions: list[str] = []
    port = free_port()

    def restart() -> None:
        with router(lambda question: None, port) as (_, questions):
            until(lambda: questions)
            first_questions.append(questions[0]["request_id"])
        time.sleep(0.3)
        with router(approval, port) as (_, questions):
            until(lambda: questions)
            time.sleep(0.5)
            assert questions[0]["request_id"] == first_questions[0]

    server = threading.Thread(target=restart)
    server.start()
    time.sleep(0.3)
    (found,) = said(asked(port, Timeout=500, Attempts=8))
    server.join()
    assert found["verdict"] == "approved"


def test_nobody_there() -> None:
    """It says what to start, soon, and no order is unknown that was never sent."""
    lines = asked(free_port(), Timeout=200, Attempts=2, Execute=True, Token="x" * 20)
    (found,) = said(lines)
    assert (found["status"], found["error"], found["unknown"]) == ("no_answer", "5272", "none")
    assert any("start the gateway (quantmind run)" in line for line in lines)


def test_an_address_that_is_not_listed() -> None:
    """4014, and the setting."""
    lines = asked(free_port(), Attempts=1, Timeout=200, environment={"MQL_ALLOW": "example.org"})
    (found,) = said(lines)
    assert found["error"] == "4014"
    assert any("Allow WebRequest for listed URL" in line for line in lines)


@pytest.mark.parametrize(
    "talk",
    [
        until_closed,
        lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        lambda connection: connection.sendall(GREETING[:30]),
        lambda connection: connection.sendall(GREETING + READY[:9]),
        lambda connection: connection.sendall(GREETING + READY + b"\x01\x00\x00\x50{" + b'"status"'),
        lambda connection: connection.sendall(GREETING + READY + b"\x02" + b"\xff" * 8),
        lambda connection: connection.sendall(GREETING + READY + b"\x02" + (2**62).to_bytes(8, "big")),
        lambda connection: connection.sendall(GREETING + b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"),
        lambda connection: connection.sendall(GREETING + READY + b"\x04\x00"),
        lambda connection: connection.sendall(GREETING + READY + b"\xf8\x01x"),
        lambda connection: connection.sendall(GREETING + READY + b"\x01\x00" * 200),
        lambda connection: connection.sendall(GREETING.replace(b"NULL", b"CURV")),
        lambda connection: connection.sendall(b"\xff" + bytes(8) + b"\x7f\x01\x00"),
    ],
)
def test_what_is_no_gateway(talk: Callable[[socket.socket], None]) -> None:
    """Silence, halves and rubbish end soon, and are no approval."""

    def waits(connection: socket.socket) -> None:
        talk(connection)
        until_closed(connection)

    with raw_server(waits) as port:
        lines = asked(port, Timeout=300, Attempts=2)
    (found,) = said(lines)
    assert (found["verdict"], found["status"]) == ("refused", "no_answer")
    assert int(found["took_ms"]) < 9_000


def test_an_answer_byte_by_byte() -> None:
    """Each in a packet of its own."""

    def talk(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(GREETING)
        received = b""
        while b'"request_id":"' not in received or not received.endswith(b"}"):
            received += connection.recv(65536)
            if b"READY" in received and b"type" not in received:
                connection.sendall(READY)
        question = json.loads(received[received.index(b"{") :])
        body = approval(question)
        frames = b"\x01\x00\x02" + len(body).to_bytes(8, "big") + body
        for byte in frames:
            connection.sendall(bytes([byte]))
            time.sleep(0.0005)
        until_closed(connection)

    with raw_server(talk) as port:
        (found,) = said(asked(port, Timeout=3000))
    assert found["verdict"] == "approved"


# --- over HTTP --------------------------------------------------------------------------------------------------------


def http_answer(status: str, body: bytes) -> Callable[[socket.socket], None]:
    """A server that answers every request so."""

    def talk(connection: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + body)

    return talk


def test_an_http_server_that_never_answers() -> None:
    """An order may have got there: unknown."""
    with raw_server(until_closed) as port:
        (found,) = said(asked(port, Http=True, Timeout=300, Attempts=1, Execute=True, Token="x" * 20))
    assert (found["verdict"], found["status"], found["unknown"]) == ("refused", "unknown", "pending")


def test_an_http_server_that_fails() -> None:
    """500 says nothing of what became of the order."""
    with raw_server(http_answer("500 Internal Server Error", b"{}")) as port:
        (found,) = said(asked(port, Http=True, Timeout=300, Attempts=1, Execute=True, Token="x" * 20))
    assert (found["verdict"], found["status"]) == ("refused", "unknown")


def test_another_web_server() -> None:
    """Its page is no approval."""
    with raw_server(http_answer("200 OK", b"<html>approved: true</html>")) as port:
        lines = asked(port, Http=True, Timeout=300, Attempts=1)
    (found,) = said(lines)
    assert found["verdict"] == "refused"
    assert "connected false" in lines
