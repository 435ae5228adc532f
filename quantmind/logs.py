"""Log lines: for people, or one JSON object each. Written to standard error."""

from __future__ import annotations

import json
import logging
import sys
from typing import TextIO

from quantmind.domain.clock import iso


class PlainFormatter(logging.Formatter):
    """`2026-11-23T09:00:00.123Z WARNING quantmind.door slow.command …`, control characters made visible."""

    def format(self, record: logging.LogRecord) -> str:
        text = f"{iso(record.created)} {record.levelname} {record.name} {_visible(record.getMessage())}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return text


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up(*, as_json: bool, verbose: bool, stream: TextIO | None = None) -> None:
    """Send this process's log lines to `stream` (standard error)."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(True)


def _visible(text: str) -> str:
    """A message on one line: what a client sent must not forge a log line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
