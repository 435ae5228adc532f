"""What was sent to a broker, and what came of it: kept in a file, so that the next process knows.

MetaTrader 5 has no client order id, and nowhere does what changes or cancels leave a trace with a tag. So a line is
written before each request goes out and another one when it is answered. After a kill the file says which requests may
have got through, and which surely never went out. The process may be killed at any moment; a line that was cut is none.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

logger: Final = logging.getLogger("quantmind.sent")

KEEP_S: Final = 7 * 86_400.0
"""Nobody asks for a request that is older: an order that waits so long is looked up at the broker."""
MOST: Final = 20_000
REWRITE_BYTES: Final = 8 * 1024 * 1024


@attrs.frozen
class Sent:
    """One request. `at` is when it went out, Unix seconds; `done` when its answer came, None: it has not.

    `what` is the request as it was asked for, `answer` what the terminal said of it. `began` is of a clock that only
    runs on: when it went out; None: another process has sent it.
    """

    tag: str
    at: float
    what: Mapping[str, Any]
    done: float | None = None
    answer: Mapping[str, Any] = attrs.field(factory=dict)
    began: float | None = attrs.field(default=None, eq=False)


class SentFileError(Exception):
    """The file can't be used; says why."""


@attrs.define(eq=False)
class SentFile:
    """The requests of the last week, by tag. One process writes it.

    Args:
        path: the file; None keeps them in memory alone.
        clock: Unix seconds.
        steady: seconds of a clock that only runs on.
        keep_s: so long a request is kept.
    """

    path: Path | None
    clock: Callable[[], float]
    steady: Callable[[], float] = time.monotonic
    keep_s: float = KEEP_S
    since: float = attrs.field(init=False)
    """From when on it has everything, Unix seconds: of what was sent earlier it knows nothing."""
    _began: float = attrs.field(init=False)
    _by_tag: dict[str, Sent] = attrs.field(factory=dict, init=False)
    _is_new: bool = attrs.field(default=True, init=False)
    """Nobody has begun it before."""
    _descriptor: int | None = attrs.field(default=None, init=False)
    _size: int = attrs.field(default=0, init=False)
    _most: int = attrs.field(default=REWRITE_BYTES, init=False)
    """With more bytes it is written anew."""

    @since.default
    def _from_now_on(self) -> float:
        return self.clock()

    @_began.default
    def _from_its_reading_on(self) -> float:
        return self.steady()

    @classmethod
    def open(
        cls,
        path: Path | None,
        clock: Callable[[], float],
        steady: Callable[[], float] = time.monotonic,
        keep_s: float = KEEP_S,
    ) -> SentFile:
        """Read what is there. Raises SentFileError."""
        opened = cls(path, clock, steady, keep_s)
        if path is not None:
            try:
                opened._read(path)
                opened._rewrite(path)
            except OSError as exc:
                raise SentFileError(f"{path} can't be used ({exc.strerror})") from exc
        return opened

    def get(self, tag: str) -> Sent | None:
        """The request with this tag."""
        return self._by_tag.get(tag)

    @property
    def requests(self) -> Sequence[Sent]:
        """All of them, in the order in which they went out."""
        return tuple(self._by_tag.values())

    def age_of(self, one: Sent) -> float:
        """How long ago it went out at least, in seconds, though the clock was set since."""
        if one.began is not None:
            return self.steady() - one.began
        return _elapsed(self.clock() - one.at, self.steady() - self._began)

    def whole_for(self) -> float:
        """How long it has everything at least, in seconds."""
        here = self.steady() - self._began
        whole = _elapsed(self.clock() - self.since, here)
        return min(whole, here) if self._is_new else whole

    def going(self, tag: str, what: Mapping[str, Any], *, whatever: bool = False) -> None:
        """A request goes out now.

        Args:
            whatever: it goes out though it can't be written, and is remembered until this process ends.

        Raises:
            SentFileError: it could not be written, so unless `whatever` it must not go, and nothing is remembered.
        """
        one = self._by_tag[tag] = Sent(tag, self.clock(), what, began=self.steady())
        try:
            self._write({"tag": tag, "at": one.at, "what": dict(what)})
        except SentFileError:
            if not whatever:
                del self._by_tag[tag]
            raise

    def answered(self, tag: str, answer: Mapping[str, Any]) -> None:
        """Its answer has come. One that can't be written is unknown to the next worker, and looked up there."""
        one = self._by_tag.get(tag)
        if one is None:
            return
        self._by_tag[tag] = attrs.evolve(one, done=self.clock(), answer=answer)
        try:
            self._write({"tag": tag, "done": self._by_tag[tag].done, "answer": dict(answer)})
        except SentFileError as exc:
            logger.error("fail.sent tag=%s reason=%s", tag, exc)

    def close(self) -> None:
        """Let the file go. Safe to repeat."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    # --- inside ------------------------------------------------------------------------------------------------

    def _read(self, path: Path) -> None:
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return
        for line in raw.split(b"\n"):
            try:
                said = json.loads(line)
                if "since" in said:
                    self.since, self._is_new = float(said["since"]), False
                    continue
                tag = str(said["tag"])
                if "what" in said:
                    self._by_tag[tag] = Sent(tag, float(said["at"]), dict(said["what"]))
                elif tag in self._by_tag:
                    one = self._by_tag[tag]
                    self._by_tag[tag] = attrs.evolve(one, done=float(said["done"]), answer=dict(said["answer"]))
            except (ValueError, KeyError, TypeError):
                continue  # the end of one that was cut by a kill, or an empty one

    def _rewrite(self, path: Path) -> None:
        oldest = self.clock() - self.keep_s
        self.since = max(self.since, oldest)
        kept = [one for one in self._by_tag.values() if one.at >= oldest]
        if len(kept) > MOST:
            kept = kept[-MOST:]
            self.since = max(self.since, kept[0].at)
        self._by_tag = {one.tag: one for one in kept}
        temporary = path.with_name(path.name + ".new")
        lines = json.dumps({"since": self.since}).encode() + b"\n" + b"".join(_line(one) for one in kept)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
        try:
            _write_all(descriptor, lines)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.close()
        temporary.replace(path)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
        self._size = len(lines)
        self._most = max(REWRITE_BYTES, 2 * len(lines))

    # Not synced: it outlives this process once it is written, and a machine that lost its power is no longer sending.
    def _write(self, said: Mapping[str, Any]) -> None:
        if self.path is None:
            return
        line = b"\n" + json.dumps(said).encode() + b"\n"
        try:
            if self._size + len(line) > self._most or self._descriptor is None:
                self._rewrite(self.path)
            assert self._descriptor is not None
            _write_all(self._descriptor, line)
        except OSError as exc:
            raise SentFileError(f"{self.path} can't be written ({exc.strerror})") from exc
        self._size += len(line)


# The wall's clock counts, unless it was set back.
def _elapsed(wall_s: float, steady_s: float) -> float:
    return wall_s if wall_s >= 0 else steady_s


def _line(one: Sent) -> bytes:
    lines = json.dumps({"tag": one.tag, "at": one.at, "what": dict(one.what)}).encode() + b"\n"
    if one.done is not None:
        lines += json.dumps({"tag": one.tag, "done": one.done, "answer": dict(one.answer)}).encode() + b"\n"
    return lines


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
