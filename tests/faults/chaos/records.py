"""Files of JSON lines that are only ever appended to."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

Record = dict[str, Any]

AT: Final = "t"
KIND: Final = "kind"


class Appender:
    """Writes records to a file, each with its kind and the time (Unix seconds), in one write each.

    What `write` returned for is the operating system's, and outlives a SIGKILL of this process. `durable`: it is on
    disk.
    """

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        self._durable = durable
        binary = getattr(os, "O_BINARY", 0)  # Windows would make two bytes of a line's end
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | binary, 0o600)

    def write(self, *records: Record) -> None:
        """Append records together; each has a `kind`."""
        now = round(time.time(), 6)
        text = "".join(json.dumps({KIND: record[KIND], AT: now, **record}) + "\n" for record in records)
        raw = text.encode()
        assert os.write(self._file, raw) == len(raw), "the disk is full"
        if self._durable:
            os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)


class Unreadable(Exception):
    """A line of a file is no record."""


def read(path: Path) -> Iterator[Record]:
    """The records of a file; one that is not there has none.

    Raises:
        Unreadable: a line, the last included, is no JSON object with a kind.
    """
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                record = json.loads(line)
                if not isinstance(record, dict) or KIND not in record:
                    raise ValueError("it is no record")
            except ValueError as error:
                raise Unreadable(f"{path.name}:{number}: {error}: {line[:80]!r}") from None
            yield record
