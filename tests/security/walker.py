"""Tries doors of a gateway: a list of tries as JSON on standard input, what came of each as JSON on standard output.

A program of its own, so that it can run in another network namespace. Each try is a dictionary with its `door`:

- tcp: `host`, `port` → "open", "refused" or "unreachable".
- http: `url`, `method`, `path`, `headers`, `body` (text or null), `ca` → {"status", "code", "said"}.
- ws: `url`, `token` (null: none), `messages`, `ca` → {"answers": [type or error code …], "close": code or null}.
- commands: `address`, `login`, `messages` → [status or error code …], or "shut" when the connection is not let in.
- publish: `address`, `login`, `topic` → "ticks" or "shut".
- ingest: `address`, `login`, `symbol` → "listens" or "shut".
- together: `tries` → what came of each, tried at the same time: who may try again later is kept waiting.

`login` is null, {"plain": [user, password]} or {"curve": [server's public key, own public key, own secret key]}.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import trio
import zmq
from zmq.utils.monitor import recv_monitor_message

from quantmind.net.errors import NetError, PeerGone
from quantmind.net.ws import connect

WITHIN_S = 20.0
"""How long what must come is waited for; nothing here waits for a silence."""
SHUT = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_CLOSED
)


def tcp(given: dict[str, Any]) -> str:
    try:
        with socket.create_connection((given["host"], given["port"]), timeout=WITHIN_S):
            return "open"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "unreachable"


class Http:
    """Kept connections, one for each address."""

    def __init__(self) -> None:
        self.kept: dict[str, http.client.HTTPConnection] = {}

    def __call__(self, given: dict[str, Any]) -> dict[str, Any]:
        body = given["body"]
        headers = given["headers"] | ({} if body is None else {"Content-Type": "application/json"})
        for again in (True, False):
            line = self.kept.get(given["url"]) or self._open(given)
            try:
                line.request(given["method"], given["path"], body, headers)
                answer = line.getresponse()
                text = answer.read().decode()
                said = json.loads(text) if "json" in answer.headers["Content-Type"] else {"text": text}
            except (http.client.HTTPException, ConnectionError):
                # A kept connection may end after any answer; what was asked on it was then not taken.
                self.kept.pop(given["url"]).close()
                if not again:
                    raise
            else:
                return {"status": answer.status, "code": said.get("code"), "said": said}
        raise AssertionError("it was tried twice")

    def _open(self, given: dict[str, Any]) -> http.client.HTTPConnection:
        url = urlsplit(given["url"])
        if url.scheme == "https":
            trust = ssl.create_default_context(cafile=given["ca"])
            line: http.client.HTTPConnection = http.client.HTTPSConnection(
                url.hostname or "", url.port, timeout=WITHIN_S, context=trust
            )
        else:
            line = http.client.HTTPConnection(url.hostname or "", url.port, timeout=WITHIN_S)
        self.kept[given["url"]] = line
        return line


def ws(given: dict[str, Any]) -> dict[str, Any]:
    return trio.run(_ws, given)


async def _ws(given: dict[str, Any]) -> dict[str, Any]:
    headers = None if given["token"] is None else {"Authorization": f"Bearer {given['token']}"}
    answers: list[str] = []
    with trio.fail_after(WITHIN_S):
        try:
            async with connect(given["url"], headers=headers, ca=given["ca"]) as line:
                try:
                    for number, each in enumerate(given["messages"]):
                        await line.send(json.dumps({**each, "id": str(number)}))
                        answers.append(await _answer(line, str(number)))
                except PeerGone as gone:
                    return {"answers": answers, "close": gone.code}
        except NetError as error:
            return {"answers": [], "close": None, "refused": str(error)}
    return {"answers": answers, "close": None}


# Ticks come between, and what is said before a close has no id.
async def _answer(line: Any, number: str) -> str:
    while True:
        said = json.loads(await line.receive())
        if said.get("id") == number:
            return str(said.get("code", said["type"]))


class Zmq:
    """Sockets of one context. What becomes of a handshake is told by libzmq's own monitor."""

    def __init__(self) -> None:
        self.context = zmq.Context()

    def open(self, kind: int, given: dict[str, Any]) -> tuple[Any, Any]:
        opened = self.context.socket(kind)
        opened.setsockopt(zmq.LINGER, 0)
        login = given["login"] or {}
        if "plain" in login:
            opened.plain_username, opened.plain_password = (text.encode() for text in login["plain"])
        if "curve" in login:
            server, public, secret = (text.encode() for text in login["curve"])
            opened.curve_serverkey, opened.curve_publickey, opened.curve_secretkey = server, public, secret
        monitor = opened.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | SHUT)
        if kind == zmq.SUB:
            opened.subscribe(given["topic"].encode())
        opened.connect(given["address"])
        return opened, monitor

    # Of NULL, and of what a server does not let in without a word, the end of the connection is all that there is.
    def let_in(self, monitor: Any) -> bool:
        end = time.monotonic() + WITHIN_S
        while monitor.poll(max(0.0, end - time.monotonic()) * 1000):
            event = recv_monitor_message(monitor)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                return True
            if event & SHUT:
                return False
        raise AssertionError("neither let in nor turned away")

    def close(self, opened: Any) -> None:
        opened.disable_monitor()
        opened.close(0)

    def commands(self, given: dict[str, Any]) -> Any:
        opened, monitor = self.open(zmq.DEALER, given)
        try:
            if not self.let_in(monitor):
                return "shut"
            codes = []
            for each in given["messages"]:
                opened.send_json(each)
                if not opened.poll(WITHIN_S * 1000):
                    raise AssertionError(f"no answer to {each}")
                said = json.loads(opened.recv())
                codes.append(str(said.get("code", said["status"])))
            return codes
        finally:
            self.close(opened)

    def publish(self, given: dict[str, Any]) -> str:
        opened, monitor = self.open(zmq.SUB, given)
        try:
            if not self.let_in(monitor):
                return "shut"
            if not opened.poll(WITHIN_S * 1000):
                raise AssertionError("let in, and no tick came")
            return "ticks"
        finally:
            self.close(opened)

    def ingest(self, given: dict[str, Any]) -> str:
        opened, monitor = self.open(zmq.XPUB, given)
        try:
            if not self.let_in(monitor):
                return "shut"
            if not opened.poll(WITHIN_S * 1000):
                raise AssertionError("let in, and nobody listens")
            assert opened.recv().startswith(b"\x01")
            tick = {"symbol": given["symbol"], "bid": 1.25, "ask": 1.2501, "time_msc": int(time.time() * 1000)}
            opened.send_multipart([f"tick.{given['symbol']}".encode(), json.dumps(tick).encode()])
            time.sleep(0.05)  # what is not written yet would go with the socket
            return "listens"
        finally:
            self.close(opened)


def main() -> None:
    over_zmq = Zmq()
    doors: dict[str, Any] = {
        "tcp": tcp,
        "http": Http(),
        "ws": ws,
        "commands": over_zmq.commands,
        "publish": over_zmq.publish,
        "ingest": over_zmq.ingest,
    }

    def together(given: dict[str, Any]) -> list[Any]:
        with ThreadPoolExecutor(len(given["tries"])) as pool:
            return list(pool.map(lambda each: doors[each["door"]](each), given["tries"]))

    print(json.dumps([{**doors, "together": together}[given["door"]](given) for given in json.load(sys.stdin)]))


if __name__ == "__main__":
    main()
