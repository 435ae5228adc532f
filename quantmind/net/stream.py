"""The bytes of one connection, written by us: whole frames, no waiting, and the newest of each key while behind.

trio-websocket hands `send_all` exactly one complete frame (or HTTP reply) at a time and never fragments, so each
call ends at a frame boundary. That makes it possible to put pre-encoded frames between its own.

Three places hold what the kernel did not take at once:

    head      the rest of what is being written; begins inside or at the start of a frame, ends at the end of one
    control   whole frames, in order, none ever left out; bounded by `max_queued_bytes`, beyond it the peer is dropped
              (but for what `push_many` is given, which its caller bounds)
    latest    the newest frame of each key; bounded by the number of keys the client subscribed to

The writer takes head, then control, then latest in small pieces, so a reply waits for one piece and not for all ticks.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final

import trio

from quantmind.net.frames import CLOSE_OPENING
from quantmind.net.stream_facts import UNSENT_BYTES, Ending, StreamStatistics, tune
from quantmind.net.tls_socket import TlsSocket
from quantmind.net.turns import Pace

__all__ = ["PIECE_BYTES", "Ending", "OwnedStream", "StreamStatistics", "tune"]

PIECE_BYTES: Final = 64 * 1024
"""What the writer joins into one send; frames of ticks beyond it stay replaceable by newer ones."""

OPENING_BYTES: Final = 64 * 1024
"""The most a peer may send before its handshake was answered."""

PACED_BYTES: Final = 128
"""A read's worth for a peer that has had its share: a message, or six of the shortest; half a millisecond."""

PIECE_OF_BYTES: Final = 128
"""What is read counts as one piece of its share for each so many: a message or a few."""


class OwnedStream(trio.abc.Stream):
    """A Trio stream over a socket that is ours, into which whole frames can be pushed without waiting.

    `write_forever` must run in a task for as long as the stream lives. Only `close_now` closes the socket.

    Args:
        raw: a connected socket, owned from now on; over TLS, with its handshake done.
        slow_client_timeout_s: a peer that takes no byte for so long while something waits is dropped.
        max_queued_bytes: a peer for which more bytes of control frames wait is dropped.
        on_end: called once, when no more bytes will be read.
        pace: reads beyond its share are made in turns, and small ones.
    """

    def __init__(
        self,
        raw: socket.socket | TlsSocket,
        *,
        slow_client_timeout_s: float,
        max_queued_bytes: int,
        on_end: Callable[[], None] = lambda: None,
        pace: Pace | None = None,
    ) -> None:
        tune(raw)
        self._raw = raw
        self._slow_client_timeout_s = slow_client_timeout_s
        self._max_queued_bytes = max_queued_bytes
        self._on_end = on_end
        self._pace = pace
        self._ending: Ending | None = None
        self._input_over = False
        self._hung_up = False
        self._opening_left: int | None = OPENING_BYTES
        self._open_for_push = False
        self._close_sent = False
        self._head = memoryview(b"")
        self._control: deque[bytes] = deque()
        self._control_bytes = 0
        self._uncounted = 0
        self._latest: dict[Hashable, bytes] = {}
        self._latest_bytes = 0
        self._behind = False
        self._unwritable_since: float | None = None
        self._work = trio.Event()
        self._progress = trio.Event()
        # Control frames that had to wait, counted when queued and when written: `send_all` waits for its own.
        self._control_queued = 0
        self._control_written = 0
        self._head_controls = 0
        self._bytes_sent = 0
        self._frames_sent = 0
        self._pushes = 0
        self._partial_writes = 0
        self._conflated = 0
        self._peak_queued = 0

    # ------------------------------------------------------------------ what can be seen

    @property
    def ending(self) -> Ending | None:
        """How it ended; None while it lives."""
        return self._ending

    @property
    def input_over(self) -> bool:
        """Nothing more will be read."""
        return self._input_over

    @property
    def hung_up(self) -> bool:
        """trio-websocket is through with the stream: it has called `aclose`."""
        return self._hung_up

    @property
    def close_sent(self) -> bool:
        """A Close frame was accepted for writing: nothing follows it."""
        return self._close_sent

    @property
    def open_for_push(self) -> bool:
        """Pushed frames are taken."""
        return self._open_for_push

    @property
    def unwritable_since(self) -> float | None:
        """Trio's time since when the kernel has taken nothing; None while the stream keeps up."""
        return self._unwritable_since

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait to be written."""
        return len(self._head) + self._control_bytes + self._latest_bytes

    def statistics(self) -> StreamStatistics:
        """Return what went through and what waits."""
        return StreamStatistics(
            bytes_sent=self._bytes_sent,
            frames_sent=self._frames_sent,
            pushes=self._pushes,
            partial_writes=self._partial_writes,
            conflated=self._conflated,
            queued_bytes=self.queued_bytes,
            peak_queued=self._peak_queued,
        )

    # ------------------------------------------------------------------ pushing: synchronous, never blocks

    def open_pushes(self) -> None:
        """Take pushed frames from now on: the handshake has been answered."""
        self._opening_left = None
        self._open_for_push = not self._close_sent and self._ending is None

    def push(self, frame: bytes) -> None:
        """Write one frame, or several whole ones, behind the control frames that wait and ahead of the ticks.

        What comes after a Close frame, or after the end, is dropped.
        """
        if self._open_for_push:
            self._pushes += 1
            self._put(frame)

    def push_many(self, frames: Sequence[bytes]) -> None:
        """Write whole frames in order, as `push` does, however many: they do not count towards `max_queued_bytes`.

        What has to wait is kept as it was given, so that many streams share one list's frames.
        """
        if not self._open_for_push:
            return
        self._pushes += 1
        at = 0
        while at < len(frames) and not self._behind and self._ending is None:
            piece: list[bytes] = []
            size = 0
            while at < len(frames) and size < PIECE_BYTES:
                piece.append(frames[at])
                size += len(frames[at])
                at += 1
            self._put(b"".join(piece))
        if at < len(frames) and self._ending is None:
            rest = frames[at:]
            size = sum(map(len, rest))
            self._control.extend(rest)
            self._control_bytes += size
            self._uncounted += size
            self._control_queued += len(rest)
            self._frames_sent += len(rest)
            self._peak_queued = max(self._peak_queued, self.queued_bytes)

    def push_ticks(self, items: Sequence[tuple[Hashable, bytes]], joined: bytes) -> None:
        """Write the frames of `items`, joined in `joined`, at once; while behind keep the newest of each key."""
        if not self._open_for_push:
            return
        self._pushes += 1
        if self._behind:
            self._keep(items)
            return
        taken = self._send(joined)
        if taken == len(joined):
            self._frames_sent += len(items)
            return
        if self._ending is not None:
            return
        # The frame in the middle must be finished; the ones after it may still be replaced.
        for position, (_, frame) in enumerate(items):
            if taken == 0:
                self._keep(items[position:])
                break
            self._frames_sent += 1
            if taken < len(frame):
                self._head = memoryview(frame)[taken:]
                self._keep(items[position + 1 :])
                break
            taken -= len(frame)
        self._fall_behind()

    def forget_ticks(self, keys: Iterable[Hashable]) -> None:
        """Drop the waiting frames of `keys`, so that none trails the reply to an unsubscribe."""
        for key in keys:
            frame = self._latest.pop(key, None)
            if frame is not None:
                self._latest_bytes -= len(frame)

    def _keep(self, items: Sequence[tuple[Hashable, bytes]]) -> None:
        latest = self._latest
        for key, frame in items:
            old = latest.get(key)
            if old is not None:
                self._conflated += 1
                self._latest_bytes -= len(old)
            latest[key] = frame
            self._latest_bytes += len(frame)
        self._peak_queued = max(self._peak_queued, self.queued_bytes)

    # A frame of trio-websocket's or a pushed one. After a Close frame nothing follows.
    def _put(self, data: bytes) -> None:
        if self._close_sent or self._ending is not None:
            return
        if data and data[0] == CLOSE_OPENING:
            self._close_sent = True
            self._open_for_push = False
            self._latest.clear()
            self._latest_bytes = 0
        self._frames_sent += 1
        if self._behind:
            self._control.append(data)
            self._control_bytes += len(data)
            self._control_queued += 1
            self._peak_queued = max(self._peak_queued, self.queued_bytes)
            if self._control_bytes - self._uncounted > self._max_queued_bytes:
                self._end(Ending.OVERFLOW)
            return
        taken = self._send(data)
        if taken < len(data) and self._ending is None:
            self._head = memoryview(data)[taken:]
            self._head_controls = 1
            self._control_queued += 1
            self._fall_behind()

    # Returns what the kernel took; 0 also when the connection turned out to be dead.
    def _send(self, data: bytes | memoryview) -> int:
        try:
            taken = self._raw.send(data)
        except BlockingIOError:
            taken = 0
        except OSError:
            self._end(Ending.DROPPED)
            return 0
        self._bytes_sent += taken
        if taken < len(data):
            self._partial_writes += 1
        return taken

    def _fall_behind(self) -> None:
        self._behind = True
        self._unwritable_since = trio.current_time()
        self._peak_queued = max(self._peak_queued, self.queued_bytes)
        self._work.set()

    # ------------------------------------------------------------------ the writer task

    async def write_forever(self) -> None:
        """Write what waits whenever the kernel takes it; return at the end of the stream."""
        while self._ending is None:
            await self._work.wait()
            while self._load():
                await self._write_some()
            if self._ending is None:
                self._behind = False
                self._unwritable_since = None
                self._work = trio.Event()
                self._tell_progress()

    # Makes sure that the head holds what is to be written next; False: nothing waits, or it is the end.
    def _load(self) -> bool:
        if self._head:
            return True
        frames: list[bytes] = []
        size = 0
        if self._control:
            while self._control and size < PIECE_BYTES:
                frames.append(self._control.popleft())
                size += len(frames[-1])
            self._control_bytes -= size
            self._uncounted = min(self._uncounted, self._control_bytes)
            self._head_controls = len(frames)
        elif self._latest:
            # Oldest first: a key keeps its place while its frame is replaced.
            for key in list(self._latest):
                frames.append(self._latest.pop(key))
                size += len(frames[-1])
                if size >= PIECE_BYTES:
                    break
            self._latest_bytes -= size
            self._frames_sent += len(frames)
        else:
            return False
        self._head = memoryview(frames[0] if len(frames) == 1 else b"".join(frames))
        return True

    async def _write_some(self) -> None:
        since = self._unwritable_since
        if since is None:
            since = self._unwritable_since = trio.current_time()
        with trio.move_on_at(since + self._slow_client_timeout_s) as patience:
            try:
                await trio.lowlevel.wait_writable(self._raw)
            except trio.ClosedResourceError:
                return  # woken on purpose; the caller looks whether it is the end
            except OSError:
                self._end(Ending.DROPPED)
                return
        before = self._moved()
        taken = self._send(self._head)
        if taken or self._moved() > before:
            self._unwritable_since = trio.current_time()
            self._head = self._head[taken:]
            if not self._head:
                self._head_written()
        elif patience.cancelled_caught and self._ending is None:
            self._end(Ending.STALLED)

    # Of what TLS has encrypted at once, the kernel takes a piece at a time.
    def _moved(self) -> int:
        return self._raw.moved if isinstance(self._raw, TlsSocket) else 0

    def _head_written(self) -> None:
        self._head = memoryview(b"")
        if self._head_controls:
            self._control_written += self._head_controls
            self._head_controls = 0
            self._tell_progress()

    def _tell_progress(self) -> None:
        self._progress.set()
        self._progress = trio.Event()

    # ------------------------------------------------------------------ the Stream that trio-websocket sees

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write one whole frame, or HTTP reply, and wait until the kernel has it.

        The frame is queued before anything is waited for: cancelling gives up the wait and cannot tear the frame.
        After a Close frame, data is dropped without an error.
        """
        await trio.lowlevel.checkpoint()
        if self._ending is not None:
            raise trio.ClosedResourceError
        self._put(bytes(data))
        if self._behind:
            ticket = self._control_queued
            while self._control_written < ticket and self._ending is None:
                await self._progress.wait()
        if self._ending is not None:
            raise trio.BrokenResourceError

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until nothing waits to be written."""
        await trio.lowlevel.checkpoint()
        await self.flush()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what has arrived; empty at the end of the peer's side."""
        await trio.lowlevel.checkpoint()
        size = max_bytes or UNSENT_BYTES
        while not self._input_over:
            if self._pace is not None and self._pace.spent:
                size = min(size, PACED_BYTES)
                await self._pace.turn()
            try:
                data = self._raw.recv(size)
            except BlockingIOError:
                await self._wait_readable()
                continue
            except OSError as error:
                self._end(Ending.DROPPED)
                raise trio.BrokenResourceError from error
            if self._opening_left is not None:
                self._opening_left -= len(data)
                if self._opening_left < 0:
                    self._end(Ending.OVERSIZED)
                    break
            if not data:
                self.end_input()
            elif self._pace is not None:
                self._pace.count(1 + len(data) // PIECE_OF_BYTES)
            return data
        raise trio.ClosedResourceError

    async def _wait_readable(self) -> None:
        try:
            await trio.lowlevel.wait_readable(self._raw)
        except trio.ClosedResourceError:
            return  # woken on purpose; the caller looks whether it is the end
        except OSError as error:
            self._end(Ending.DROPPED)
            raise trio.BrokenResourceError from error

    async def aclose(self) -> None:
        """Read no more. What is queued may still go out: `close_now` closes the socket."""
        self._hung_up = True
        self.end_input()
        await trio.lowlevel.checkpoint()

    # ------------------------------------------------------------------ the end

    def end_input(self) -> None:
        """Read no more, and take no more pushes."""
        if self._input_over:
            return
        self._input_over = True
        self._open_for_push = False
        self._wake_waiters()
        self._on_end()

    def put_last(self, data: bytes) -> None:
        """Write the last thing this side says (a Close frame, or an HTTP refusal), also when reading is over."""
        self._put(data)
        self._close_sent = True
        self._open_for_push = False

    async def flush(self) -> None:
        """Wait until nothing waits to be written, or the stream has ended."""
        while self._behind and self._ending is None:
            await self._progress.wait()

    async def controls_written(self) -> None:
        """Wait until the control frames that wait now are written, or the stream has ended. Ticks may still wait."""
        await trio.lowlevel.checkpoint()
        ticket = self._control_queued
        while self._control_written < ticket and self._ending is None:
            await self._progress.wait()

    async def drain(self) -> None:
        """Say that we are through, then read and discard until the peer is too.

        Closing a socket with unread input resets the connection, and the peer may then never see our last words.
        The caller bounds it.
        """
        try:
            self._raw.shutdown(socket.SHUT_WR)
            while True:
                await trio.lowlevel.checkpoint()
                if self._pace is not None and self._pace.spent:
                    await self._pace.turn()
                try:
                    if not self._raw.recv(UNSENT_BYTES):
                        return
                    if self._pace is not None:
                        self._pace.count()
                except BlockingIOError:
                    await trio.lowlevel.wait_readable(self._raw)
        except (OSError, trio.ClosedResourceError):
            return

    def drop(self) -> None:
        """End it at once; what waits is lost."""
        self._end(Ending.DROPPED)

    def close_now(self) -> None:
        """Close the socket. Harmless when it is closed already."""
        self._end(Ending.CLOSED)

    def _end(self, how: Ending) -> None:
        if self._ending is not None:
            return
        self._ending = how
        self._control.clear()
        self._latest.clear()
        self._head = memoryview(b"")
        self._control_bytes = self._latest_bytes = self._uncounted = 0
        self._behind = False
        self._unwritable_since = None
        if how is not Ending.CLOSED:
            # The kernel would go on for minutes with what a dead peer has not taken: reset the connection instead.
            form = "hh" if sys.platform == "win32" else "ii"
            with contextlib.suppress(OSError):
                self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(form, 1, 0))
        self.end_input()
        self._wake_waiters()
        self._raw.close()
        self._work.set()
        self._tell_progress()

    # Whoever waits on the socket looks again. It may have been closed from outside already.
    def _wake_waiters(self) -> None:
        if self._raw.fileno() != -1:
            trio.lowlevel.notify_closing(self._raw)
