"""Sockets of MQL5 programs at a server, in each reading of what the documents leave open."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from mql5.build import build, require_gpp
from mql5.program import run

PROGRAM = Path(__file__).parent / "programs" / "sockets.mq5"

Serve = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def _compiler() -> None:
    require_gpp()


@contextmanager
def server(serve: Serve) -> Iterator[int]:
    """One connection, served in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)

        def accept() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(30)
                # What a program has not read when it ends is told to us as a reset.
                with suppress(ConnectionResetError):
                    serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(30)


def echo(connection: socket.socket) -> None:
    while data := connection.recv(100):
        connection.sendall(data)


def hang_up(connection: socket.socket) -> None:
    connection.recv(100)
    connection.shutdown(socket.SHUT_WR)
    connection.recv(100)


def be_silent(connection: socket.socket) -> None:
    while connection.recv(100):
        pass


def said(serve: Serve, folder: Path, environment: dict[str, str] | None = None, **inputs: object) -> list[str]:
    with server(serve) as port:
        done = run(build(PROGRAM), {"InpPort": port, **inputs}, folder, environment)
    assert done.exit_code == 0, done.errors
    return done.lines


def test_bytes_go_there_and_back(tmp_path: Path) -> None:
    """Created, connected, sent, read; 128 sockets at most; a closed one is none."""
    assert said(echo, tmp_path) == [
        "created true 0",
        "connected true 0",
        "readable 0 1 writable true",
        "sent 5",
        "there 5 got 5 'hello' error 0 waited false connected true",
        "closed true again false 5270",
        "tls false 5274",
        "at most 128 5271",
    ]


def test_a_time_out_is_no_end(tmp_path: Path) -> None:
    """-1 after the time, without an error, and the connection is there still."""
    lines = said(be_silent, tmp_path)
    assert "there 0 got -1 '' error 0 waited true connected true" in lines


def test_a_time_out_may_set_an_error(tmp_path: Path) -> None:
    """The connection is there all the same."""
    lines = said(be_silent, tmp_path, {"MQL_SOCKET_TIMEOUT_ERROR": "1"})
    assert "there 0 got -1 '' error 5273 waited true connected true" in lines


def test_a_peer_that_has_gone_shows_as_one_byte(tmp_path: Path) -> None:
    """It can't be read, and reading it ends the connection."""
    lines = said(hang_up, tmp_path, InpReads=2)
    assert "there 1 got -1 '' error 5273 waited false connected false" in lines
    assert "there 0 got -1 '' error 5273 waited false connected false" in lines


def test_an_empty_buffer_may_answer_one_each_time(tmp_path: Path) -> None:
    """The first answer is a guess in any case."""
    assert "readable 0 1 writable true" in said(be_silent, tmp_path)
    assert "readable 1 1 writable true" in said(be_silent, tmp_path, {"MQL_SOCKET_ALWAYS_ONE": "1"})


def test_a_read_may_wait_for_all_that_it_may_take(tmp_path: Path) -> None:
    """Whether it does is not documented: here both."""
    lines = said(echo, tmp_path, {"MQL_SOCKET_READ_FULL": "1"})
    assert "there 5 got 5 'hello' error 0 waited true connected true" in lines
    lines = said(echo, tmp_path, {"MQL_SOCKET_READ_FULL": "1"}, InpMost=5)
    assert "there 5 got 5 'hello' error 0 waited false connected true" in lines


def test_a_read_may_give_one_byte(tmp_path: Path) -> None:
    """However much is there."""
    lines = said(echo, tmp_path, {"MQL_SOCKET_ONE_BYTE_READS": "1"}, InpReads=2)
    assert [line.split(" error")[0] for line in lines if line.startswith("there")] == [
        "there 5 got 1 'h'",
        "there 4 got 1 'e'",
    ]


def test_a_send_may_be_short(tmp_path: Path) -> None:
    """Seven bytes of twelve."""
    lines = said(echo, tmp_path, {"MQL_SOCKET_SHORT_SEND": "1"}, InpSend="twelve bytes")
    assert "sent 7" in lines
    assert "there 7 got 7 'twelve ' error 0 waited false connected true" in lines


def test_small_packets_may_wait(tmp_path: Path) -> None:
    """With Nagle's way of sending the bytes are the same."""
    assert "sent 5" in said(echo, tmp_path, {"MQL_SOCKET_NAGLE": "1"})


def test_an_address_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    """4014, and no packet goes there."""
    settings = {"MQL_ALLOW": "example.com,127.0.0.1:1"}
    done = run(build(PROGRAM), {"InpPort": 9}, tmp_path, settings)
    assert done.lines == ["created true 0", "connected false 4014"]


def test_an_address_may_be_listed_with_its_port(tmp_path: Path) -> None:
    """And then by no other."""
    with server(echo) as port:
        done = run(build(PROGRAM), {"InpPort": port}, tmp_path, {"MQL_ALLOW": f"127.0.0.1:{port}"})
    assert done.lines[1] == "connected true 0"


def test_nobody_there(tmp_path: Path) -> None:
    """5272, at once on this computer."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    begun = time.monotonic()
    done = run(build(PROGRAM), {"InpPort": port}, tmp_path)
    assert done.lines == ["created true 0", "connected false 5272"]
    assert time.monotonic() - begun < 10


def test_the_tester_has_no_network(tmp_path: Path) -> None:
    """4014 from the first call on."""
    done = run(build(PROGRAM), {"InpPort": 9}, tmp_path, {"MQL_TESTER": "1"})
    assert done.lines == ["created false 4014"]
