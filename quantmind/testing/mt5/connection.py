"""The one connection of this process to a terminal, as the package has one."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, Final

import attrs

from quantmind.testing.mt5.constants import (
    RES_E_INTERNAL_FAIL_CONNECT,
    RES_E_INTERNAL_FAIL_INIT,
    RES_E_INTERNAL_FAIL_RECEIVE,
)
from quantmind.testing.terminal.framing import Gone, receive, send

SUCCESS: Final = (1, "Success")
VARIABLE: Final = "QUANTMIND_FAKE_TERMINAL"


@attrs.define(eq=False)
class Connection:
    """Calls block, and hold the process as the terminal's faults say. Failures are None, and why is in `error`."""

    error: tuple[int, str] = SUCCESS
    _socket: socket.socket | None = None

    def open(self, path: str | None, timeout_s: float) -> bool:
        """Reach the terminal of a file that `FakeTerminal.serve` wrote; whether it was."""
        self.close()
        file = path if path is not None else os.environ.get(VARIABLE)
        if file is None:
            self.fail(RES_E_INTERNAL_FAIL_INIT, f"no terminal: name its file, or set {VARIABLE}")
            return False
        try:
            said = json.loads(Path(file).read_text(encoding="utf-8"))
            self._socket = socket.create_connection(("127.0.0.1", int(said["port"])), timeout=timeout_s)
            self._socket.settimeout(None)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            send(self._socket, said["key"])
        except (OSError, ValueError, KeyError, TypeError, Gone) as exc:
            self.close()
            self.fail(RES_E_INTERNAL_FAIL_INIT, f"IPC initialize failed, {exc}")
            return False
        return True

    def close(self) -> None:
        """Let the terminal go. Safe to repeat."""
        one, self._socket = self._socket, None
        if one is not None:
            one.close()

    def fail(self, code: int, text: str) -> None:
        """Note a failure."""
        self.error = (code, text)

    def call(self, name: str, **arguments: Any) -> Any:
        """What the terminal answers; None: nothing, and `error` says why."""
        if self._socket is None:
            self.fail(RES_E_INTERNAL_FAIL_CONNECT, "No IPC connection")
            return None
        message: dict[str, Any] = {"call": name, "arguments": arguments}
        try:
            while True:
                send(self._socket, message)
                answer = receive(self._socket)
                if answer.get("freeze"):
                    _hold(answer["freeze"])
                if not answer.get("again"):
                    break
                message["thawed"] = True
            code, text = answer["error"]
        except (Gone, TypeError, ValueError, KeyError) as exc:
            self.close()
            self.fail(RES_E_INTERNAL_FAIL_RECEIVE, f"IPC recv failed, {exc}")
            return None
        self.error = (int(code), str(text))
        return answer["result"]


# One call of C that does not let go of the interpreter: no other thread of the process runs meanwhile.
def _hold(seconds: float) -> None:
    if sys.platform == "win32":
        ctypes.PyDLL("kernel32").Sleep(ctypes.c_uint32(int(seconds * 1000)))
    else:
        ctypes.PyDLL(None).usleep(ctypes.c_uint32(int(seconds * 1_000_000)))
