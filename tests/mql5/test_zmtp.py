"""ZMTP in MQL5 against libzmq, and against any bytes."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.auth.thread
from mql5.build import build, build_fuzzer, fuzz, require_clang, require_gpp
from mql5.program import run

CHECK = Path(__file__).parent / "programs" / "zmtp_check.mq5"
FUZZ = Path(__file__).parent / "fuzz"
SOCKETS = ("", "READ_FULL", "ALWAYS_ONE", "TIMEOUT_ERROR", "SHORT_SEND", "NAGLE", "ONE_BYTE_READS")


def lines_of(environment: dict[str, Any] | None = None, **inputs: Any) -> list[str]:
    """Run the check; its lines, and that it came to its end."""
    require_gpp()
    settings = {f"Inp{name}": value for name, value in {"Port": 0, **inputs}.items()}
    finished = run(build(CHECK), inputs=settings, environment=environment or {}, timeout=120)
    assert finished.exit_code == 0, finished.errors
    assert finished.lines[-1] == "done", finished.lines
    return list(finished.lines[:-1])


@contextlib.contextmanager
def echo(kind: int, plain: bool = False) -> Iterator[int]:
    """A socket of libzmq that sends back what comes."""
    context = zmq.Context()
    door = context.socket(kind)
    door.linger = 0
    door.heartbeat_ivl, door.heartbeat_timeout = 100, 2000
    authenticator = None
    if plain:
        authenticator = zmq.auth.thread.ThreadAuthenticator(context)
        authenticator.start()
        authenticator.configure_plain(domain="*", passwords={"ea": "secret"})
        door.plain_server = True
    port = door.bind_to_random_port("tcp://127.0.0.1")
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            if door.poll(50):
                door.send_multipart(door.recv_multipart())

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield port
    finally:
        ended.set()
        thread.join()
        if authenticator is not None:
            authenticator.stop()
        door.close()
        context.term()


@pytest.mark.parametrize("nasty", SOCKETS)
@pytest.mark.parametrize("plain", [False, True], ids=["null", "plain"])
def test_frames_of_all_sizes_come_back(plain: bool, nasty: str) -> None:
    """By a REQ at a ROUTER, however the terminal's sockets behave."""
    environment = {f"MQL_SOCKET_{nasty}": "1"} if nasty else {}
    with echo(zmq.ROUTER, plain) as port:
        secret = {"User": "ea", "Password": "secret"} if plain else {}
        # Each byte is a call of the host's and two of the system's: a million of them take longer than a question may.
        largest = 65_536 if nasty == "ONE_BYTE_READS" else 1_000_000
        found = lines_of(environment, Port=port, Largest=largest, **secret)
    assert [line for line in found if not line.startswith("ok ")] == []
    assert len(found) == (11 if nasty == "ONE_BYTE_READS" else 12)


@pytest.mark.parametrize(("kind", "dealer"), [(zmq.REP, False), (zmq.REP, True), (zmq.ROUTER, True)])
def test_each_pair_of_sockets(kind: int, dealer: bool) -> None:
    """REQ and DEALER at REP and ROUTER, with pings in both directions."""
    with echo(kind) as port:
        found = lines_of(Port=port, Dealer=dealer, IdleMs=600)
    assert [line for line in found if not line.startswith("ok ")] == []
    assert len(found) == 15


def test_a_wrong_password() -> None:
    """libzmq's refusal is understood."""
    with echo(zmq.ROUTER, plain=True) as port:
        found = lines_of(Port=port, User="ea", Password="wrong")
    assert "the peer refused us: 400" in found[0]


def test_a_port_of_another_kind() -> None:
    """A publisher answers nobody, and it is said which kind it is."""
    with zmq.Context() as context, context.socket(zmq.PUB) as door:
        found = lines_of(Port=door.bind_to_random_port("tcp://127.0.0.1"))
    assert "the peer is a socket of type PUB, which does not go with REQ" in found[0]


def test_a_subscriber_hears_what_it_wants() -> None:
    """All of that, in order, and nothing else."""
    with zmq.Context() as context, context.socket(zmq.XPUB) as door:
        door.sndhwm = 0
        port = door.bind_to_random_port("tcp://127.0.0.1")
        wanted: list[bytes] = []

        def publish() -> None:
            while len(wanted) < 2 and door.poll(20_000):
                wanted.append(door.recv())
            numbers = itertools.count()
            for number in range(3000):
                if number % 3:
                    door.send_multipart([b"tick.USDJPY", b"other"])
                else:
                    door.send_multipart([b"tick.EURUSD", str(next(numbers)).encode()])
            door.send_multipart([b"end"])

        thread = threading.Thread(target=publish)
        thread.start()
        found = lines_of(PubPort=port)
        thread.join()
    assert wanted == [b"\x01tick.EUR", b"\x01end"]
    assert found == ["heard 1000 wrong 0"]


def test_a_publisher_is_heard() -> None:
    """By a subscriber that bound; what nobody wants does not go out."""
    with zmq.Context() as context, context.socket(zmq.SUB) as door:
        door.rcvhwm, door.rcvtimeo = 0, 20_000
        door.subscribe(b"tick.EUR")
        port = door.bind_to_random_port("tcp://127.0.0.1")
        heard: list[list[bytes]] = []

        def hear() -> None:
            while not heard or heard[-1][1] != b"end":
                heard.append(door.recv_multipart())

        thread = threading.Thread(target=hear)
        thread.start()
        found = lines_of(SubPort=port)
        thread.join()
    assert [line for line in found if not line.startswith("ok ")] == []
    assert [int(body) for _, body in heard[:-1]] == list(range(0, 1000, 2))


# --- any bytes --------------------------------------------------------------------------------------------------------

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
PLAIN_GREETING = GREETING.replace(b"NULL\0", b"PLAIN")


def ready(kind: bytes) -> bytes:
    body = b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind + b"\x08Identity\0\0\0\0"
    return b"\x04" + bytes([len(body)]) + body


SEEDS = {
    "dealer": b"\x01\x20\x00" + GREETING + ready(b"ROUTER") + b"\x00\x02{}" + b"\x01\x01a\x00\x01b",
    "req": b"\x00\x02\x02" + GREETING + ready(b"REP") + b"\x01\x00\x02" + (300).to_bytes(8, "big") + b"x" * 300,
    "sub": b"\x02\x40\x04" + GREETING + ready(b"XPUB") + b"\x01\x04tick\x00\x02{}",
    "pub": b"\x03\x40\x0c" + GREETING + ready(b"XSUB") + b"\x04\x0e\x09SUBSCRIBEtick" + b"\x04\x0b\x06CANCELtick",
    "pub 3.0": b"\x03\x40\x04" + GREETING.replace(b"\x03\x01", b"\x03\x00") + ready(b"SUB") + b"\x00\x05\x01tick",
    "plain": b"\x01\x40\x01" + PLAIN_GREETING + b"\x04\x08\x07WELCOME" + ready(b"ROUTER") + b"\x04\x07\x04PING\0\x0a",
    "refused": b"\x01\x40\x01" + PLAIN_GREETING + b"\x04\x09\x5eRROR\x03400",
    "over": b"\x01\xff\x10"
    + GREETING
    + ready(b"ROUTER")
    + b"\x01\x40"
    + b"x" * 64
    + b"\x02"
    + b"\xff" * 7
    + b"\x00" * 9,
    "error": b"\x01\x40\x00" + GREETING + b"\x04\x0a\x05ERROR\x03400",
    "ping": b"\x01\x40\x02" + GREETING + ready(b"ROUTER") + b"\x04\x0b\x04PING\0\x01abcd" + b"\x04\x09\x04PONGabcd",
}


def seeded(folder: Path) -> Path:
    """A folder with a beginning of each kind of connection."""
    folder.mkdir()
    for name, seed in SEEDS.items():
        (folder / name.replace(" ", "-")).write_bytes(seed)
    return folder


def test_any_bytes_of_a_peer(tmp_path: Path) -> None:
    """No crash, no leak, no endless loop; what is written is read again."""
    require_clang()
    fuzzer = build_fuzzer(FUZZ / "zmtp_fuzz.cpp", program=FUZZ / "zmtp_fuzz.mqh")
    fuzz(fuzzer, runs=100_000, corpus=seeded(tmp_path / "seeds"), most_bytes=400)


@pytest.mark.long
def test_a_million_of_them(tmp_path: Path) -> None:
    """The long form."""
    require_clang()
    fuzzer = build_fuzzer(FUZZ / "zmtp_fuzz.cpp", program=FUZZ / "zmtp_fuzz.mqh")
    fuzz(fuzzer, runs=1_000_000, corpus=seeded(tmp_path / "seeds"))
