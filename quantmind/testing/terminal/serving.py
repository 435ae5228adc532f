"""How programs reach a terminal: a socket of this computer, and a key that stands beside its port in a file."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from quantmind.testing.terminal.framing import Gone, receive, send, send_half

FILE: Final = "terminal64.fake"
MOST_CALLERS: Final = 16
MOST_OF_A_CALL: Final = 1024 * 1024


class Serving:
    """A thread for whoever calls.

    Args:
        answer: what to answer to a message; may be called from many threads.
        halves: whether an answer ends in its middle.
    """

    def __init__(self, answer: Callable[[Any], dict[str, Any]], halves: Callable[[], bool]) -> None:
        self.stopping = threading.Event()
        """It ends: threads that were begun look at it."""
        self._answer = answer
        self._halves = halves
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._callers: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._key = secrets.token_hex(16)

    def serve(self, folder: Path) -> Path:
        """Let programs call; the file that leads here.

        Raises:
            OSError: it can't listen, or the file can't be written.
        """
        listener = socket.create_server(("127.0.0.1", 0))
        self._listener = listener
        file = folder / FILE
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as written:
            json.dump({"port": listener.getsockname()[1], "key": self._key}, written)
        self.begin(self._accept, listener)
        return file

    def begin(self, target: Callable[..., None], *arguments: Any) -> None:
        """Run something in a thread that `close` waits for."""
        thread = threading.Thread(target=target, args=arguments, name="fake-terminal", daemon=True)
        self._threads.append(thread)
        thread.start()

    def drop(self) -> None:
        """Let go of whoever is connected; they may call again."""
        with self._lock:
            callers, self._callers = self._callers, set()
        for caller in callers:
            _close(caller)

    def close(self) -> None:
        """Let everybody go. Safe to repeat."""
        self.stopping.set()
        if self._listener is not None:
            _close(self._listener)
        self.drop()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(5)
        self._threads.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if len(self._callers) >= MOST_CALLERS:
                    _close(caller)
                    continue
                self._callers.add(caller)
            self._threads = [each for each in self._threads if each.is_alive()]
            self.begin(self._serve, caller)

    def _serve(self, caller: socket.socket) -> None:
        with contextlib.suppress(Gone):
            caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            key = receive(caller, MOST_OF_A_CALL)
            if not isinstance(key, str) or not secrets.compare_digest(key, self._key):
                raise Gone("a wrong key")
            while True:
                answer = self._answer(receive(caller, MOST_OF_A_CALL))
                if self._halves():
                    send_half(caller, answer)
                    break
                send(caller, answer)
        with self._lock:
            self._callers.discard(caller)
        _close(caller)


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
