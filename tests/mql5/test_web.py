"""WebRequest at a server that answers in each way that HTTP has."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mql5.build import build, require_gpp
from mql5.program import run

PROGRAM = Path(__file__).parent / "programs" / "web.mq5"


@pytest.fixture(autouse=True)
def _compiler() -> None:
    require_gpp()


class Once:
    """A server for one request: what came, and what it says piece by piece."""

    def __init__(self, pieces: list[bytes], *, keep_open: bool = False) -> None:
        self.heard = b""
        self._pieces = pieces
        self._keep_open = keep_open

    @contextmanager
    def running(self) -> Iterator[int]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.settimeout(30)
            thread = threading.Thread(target=self._serve, args=(listening,), daemon=True)
            thread.start()
            yield listening.getsockname()[1]
            thread.join(30)

    def _serve(self, listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(30)
            while b"\r\n\r\n" not in self.heard:
                self.heard += connection.recv(65536)
            head, _, body = self.heard.partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            while len(body) < length:
                body += connection.recv(65536)
            self.heard = head + b"\r\n\r\n" + body
            for piece in self._pieces:
                connection.sendall(piece)
                time.sleep(0.02)
            if self._keep_open:
                connection.recv(100)


def asked(once: Once, folder: Path, environment: dict[str, str] | None = None, **inputs: object) -> list[str]:
    with once.running() as port:
        done = run(build(PROGRAM), {"InpUrl": f"http://127.0.0.1:{port}/a/b?c=d", **inputs}, folder, environment)
    assert done.exit_code == 0, done.errors
    return done.lines


def test_a_request_and_its_answer(tmp_path: Path) -> None:
    """Method, path, headers and body arrive as they are; the status, headers and body come back."""
    once = Once([b"HTTP/1.1 201 Created\r\nContent-Type: text/x\r\nContent-Length: 7\r\n\r\n", b"h\xc3\xa9", b"llo!!"])
    assert asked(once, tmp_path, InpBody="bödy") == [
        "status 201 error 0 bytes 7",
        "headers Content-Type: text/x|Content-Length: 7|",
        "body héllo!",
    ]
    head, _, body = once.heard.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /a/b?c=d HTTP/1.1"
    assert {"Content-Type: text/plain", "Content-Length: 5", "Connection: close"} <= set(lines)
    assert any(line.startswith("Host: 127.0.0.1:") for line in lines)
    assert body.decode() == "bödy"


def test_a_body_in_chunks(tmp_path: Path) -> None:
    """However the chunks are cut on their way."""
    whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"
    once = Once([whole[:50], whole[50:53], whole[53:70], whole[70:]], keep_open=True)
    lines = asked(once, tmp_path)
    assert lines[0] == "status 200 error 0 bytes 14"
    assert lines[2] == "body abcd0123456789"


def test_a_body_up_to_the_end(tmp_path: Path) -> None:
    """Without a length the end of the connection is its end."""
    once = Once([b"HTTP/1.0 200 OK\r\n\r\nall ", b"of it"])
    assert asked(once, tmp_path)[2] == "body all of it"


def test_answers_without_a_body(tmp_path: Path) -> None:
    """204, and what HEAD asks for, have none, whatever their length says."""
    once = Once([b"HTTP/1.1 204 No Content\r\n\r\n"], keep_open=True)
    assert asked(once, tmp_path)[0] == "status 204 error 0 bytes 0"
    once = Once([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"], keep_open=True)
    assert asked(once, tmp_path, InpMethod="HEAD")[0] == "status 200 error 0 bytes 0"


def test_a_refusal_is_an_answer(tmp_path: Path) -> None:
    """Its body can be read."""
    once = Once([b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"])
    assert asked(once, tmp_path)[::2] == ["status 403 error 0 bytes 2", "body no"]


def test_the_long_form(tmp_path: Path) -> None:
    """With a cookie and a referer."""
    once = Once([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
    assert asked(once, tmp_path, InpCookie="a=b", InpBody="12")[0] == "status 200 error 0 bytes 0"
    assert b"Cookie: a=b\r\n" in once.heard
    assert b"Referer: http://from.here/\r\n" in once.heard
    assert once.heard.endswith(b"\r\n\r\n12")


def test_an_answer_that_takes_too_long(tmp_path: Path) -> None:
    """5202 when the time is over, with nothing of it."""
    once = Once([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome"], keep_open=True)
    assert asked(once, tmp_path, InpTimeoutMs=300)[0] == "status -1 error 5202 bytes 0"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome", b"SSH-2.0-x\r\n\r\n"])
def test_an_answer_that_is_none(tmp_path: Path, answer: bytes) -> None:
    """5203: cut off, or no HTTP."""
    assert asked(Once([answer]), tmp_path)[0] == "status -1 error 5203 bytes 0"


def test_what_is_not_asked_at_all(tmp_path: Path) -> None:
    """A bad address, one that is not listed, nobody there, the tester."""
    program = build(PROGRAM)

    def error(url: str, **environment: str) -> str:
        return run(program, {"InpUrl": url}, tmp_path, environment).lines[0]

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert error("no address") == "status -1 error 5200 bytes 0"
    assert error("https://127.0.0.1/") == "status -1 error 5200 bytes 0"
    assert error("http://127.0.0.1/" + "a" * 1024) == "status -1 error 5200 bytes 0"
    assert error("http://example.com/") == "status -1 error 4014 bytes 0"
    assert error(f"http://127.0.0.1:{port}/") == "status -1 error 5201 bytes 0"
    assert error("http://127.0.0.1/", MQL_TESTER="1") == "status -1 error 4014 bytes 0"
