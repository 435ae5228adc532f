"""Log lines: for people, or one JSON object each. Written to standard error, by a thread of their own."""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import sys
import threading
from typing import Final, TextIO

from quantmind.domain.clock import iso
from quantmind.domain.visible import json_visible, visible

LINES: Final = 10_000
"""Lines that may wait to be written: minutes of them; beyond it they are lost, counted, and that is said."""

AT_ONCE: Final = 256
"""Lines in one write."""


class PlainFormatter(logging.Formatter):
    """`2026-11-23T09:00:00.123Z WARNING quantmind.door slow.command …`, control characters made visible."""

    def format(self, record: logging.LogRecord) -> str:
        text = f"{iso(record.created)} {record.levelname} {record.name} {visible(record.getMessage())}"
        if record.exc_info:
            # Indented, since an error may quote what a client sent: no line of it can pass for one of the log's.
            lines = self.formatException(record.exc_info).split("\n")
            text = "\n".join([text, *(f"  {visible(line)}" for line in lines)])
        return text


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the traceback where there is one; all of it prints."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json_visible(json.dumps(line, ensure_ascii=False))


class LateHandler(logging.Handler):
    """Formats a line at once and leaves the writing to a thread.

    Whoever reads our output may stop reading it: a pipe that is full, a terminal that was paused by Ctrl-S or by a
    click into a Windows console. Written directly, the next line would then hold up every order.
    """

    def __init__(self, stream: TextIO | None) -> None:
        """Without a stream (a Windows program that has no console has no standard error) nothing is written."""
        super().__init__()
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(LINES)
        self._lost = 0
        self._lost_told = 0
        self._ending = False
        self._thread = threading.Thread(target=self._write_forever, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line. Never waits."""
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._lost += 1
        except Exception:  # noqa: BLE001  # a wrong log call must not break what it tells of
            self.handleError(record)

    def finish(self, within_s: float) -> bool:
        """Write what is queued and end the thread; False: the stream did not take it in time."""
        while not self._ending:
            try:
                self._lines.put_nowait(None)
                self._ending = True
            except queue.Full:  # the oldest line makes room for the end
                with contextlib.suppress(queue.Empty):
                    self._lines.get_nowait()
                    self._lost += 1
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _write_forever(self) -> None:
        last = False
        while not last:
            lines, last = self._next_lines()
            # Where nobody reads them any more there is nowhere to say so, either.
            if self._stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    self._stream.write("".join(f"{line}\n" for line in lines))
                    self._stream.flush()

    def _next_lines(self) -> tuple[list[str], bool]:
        line = self._lines.get()
        lines: list[str] = []
        lost = self._lost - self._lost_told
        if lost:
            self._lost_told += lost
            lines.append(self.format(_record("lose.lines count=%d reason=nobody took them", lost)))
        while line is not None:
            lines.append(line)
            if len(lines) >= AT_ONCE:
                return lines, False
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                return lines, False
        return lines, True


def _record(message: str, *values: object) -> logging.LogRecord:
    return logging.LogRecord("quantmind.logs", logging.WARNING, __file__, 0, message, values, exc_info=None)


def set_up(*, as_json: bool, verbose: bool, stream: TextIO | None = None) -> LateHandler:
    """Send this process's log lines to `stream` (standard error). The caller finishes the handler at its end."""
    handler = LateHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(True)
    return handler
