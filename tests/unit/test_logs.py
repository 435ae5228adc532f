"""Log lines: one each, and a stream that takes none holds up nobody."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator

import pytest

from quantmind import logs


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger as it was before."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logging.captureWarnings(False)


class StuckStream(io.StringIO):
    """Takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.let_go = threading.Event()

    def write(self, text: str) -> int:
        self.asked.set()
        self.let_go.wait(30)
        return super().write(text)


def test_lines_come_out_in_order_and_whole(root: logging.Logger) -> None:
    """What a client sent can't forge a line."""
    stream = io.StringIO()
    handler = logs.set_up(as_json=False, verbose=False, stream=stream)
    for number in range(1000):
        logging.getLogger("quantmind.test").info("say.number n=%d text=%s", number, "a\nb")
    assert handler.finish(10)
    lines = stream.getvalue().splitlines()
    assert [line.partition("say.")[2] for line in lines] == [rf"number n={n} text=a\nb" for n in range(1000)]


def test_an_error_that_quotes_a_client_forges_no_line(root: logging.Logger) -> None:
    """A traceback is indented, and what does not print is made visible."""
    stream = io.StringIO()
    handler = logs.set_up(as_json=False, verbose=False, stream=stream)
    try:
        raise ValueError("a\n2026-11-23T09:00:00.123Z INFO quantmind.app all.well\r\x1b[2J")
    except ValueError:
        logging.getLogger("quantmind.test").exception("fail.it")
    assert handler.finish(10)
    first, *rest = stream.getvalue().split("\n")[:-1]
    assert first.endswith("fail.it")
    assert all(line.startswith("  ") for line in rest)
    assert rest[-1] == r"  2026-11-23T09:00:00.123Z INFO quantmind.app all.well\r\x1b[2J"


def test_a_stream_that_takes_nothing_holds_up_nobody(root: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines beyond what may wait are lost, which the next line that goes out says."""
    monkeypatch.setattr(logs, "LINES", 5)
    stream = StuckStream()
    handler = logs.set_up(as_json=True, verbose=False, stream=stream)
    logger = logging.getLogger("quantmind.test")
    logger.info("first")
    assert stream.asked.wait(10)
    for number in range(25):
        logger.info("line %d", number)
    assert not handler.finish(0.05)
    stream.let_go.set()
    assert handler.finish(10)
    messages = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert messages[0] == "first"
    assert messages[1].startswith("lose.lines count=21")
    assert messages[2:] == [f"line {number}" for number in range(1, 5)]


def test_a_stream_that_is_closed_is_nobodys_crash(root: logging.Logger) -> None:
    """There is nowhere left to say so."""
    stream = io.StringIO()
    handler = logs.set_up(as_json=False, verbose=False, stream=stream)
    stream.close()
    logging.getLogger("quantmind.test").info("into the void")
    assert handler.finish(10)


def test_without_a_standard_error_there_is_no_log(root: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a Windows program without a console."""
    monkeypatch.setattr(sys, "stderr", None)
    handler = logs.set_up(as_json=False, verbose=False)
    logging.getLogger("quantmind.test").info("into the void")
    assert handler.finish(10)
