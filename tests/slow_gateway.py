"""A gateway that answers a bridge late, and asks right behind its answer."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import zmq

SESSION = "a-session-of-the-slow-one"
WAITS_MS = 60_000


@contextlib.contextmanager
def listening(port: int) -> Iterator[zmq.Socket[bytes]]:
    """The command port of one."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.linger = 0
        router.bind(f"tcp://127.0.0.1:{port}")
        yield router


def asked_late(router: zmq.Socket[bytes], question: dict[str, Any]) -> dict[str, Any]:
    """Wait for a bridge's second hello, answer its first, ask at once, answer the second: what it says to the question.

    Raises:
        AssertionError: it says nothing to it.
    """
    route, first = _next(router)
    _, second = _next(router)
    assert (first["type"], second["type"]) == ("bridge_hello", "bridge_hello")
    _send(router, route, _accepted(first["id"]))
    _send(router, route, {**question, "session": SESSION})
    _send(router, route, _accepted(second["id"]))
    for _ in range(100):
        _, said = _next(router)
        if said.get("id") == question["id"]:
            return said
    raise AssertionError("100 messages, and no answer to the question")


def _accepted(request_id: str) -> dict[str, Any]:
    return {"type": "reply", "id": request_id, "ok": True, "data": {"session": SESSION}}


def _send(router: zmq.Socket[bytes], route: list[bytes], message: dict[str, Any]) -> None:
    router.send_multipart([*route, json.dumps(message).encode()])


def _next(router: zmq.Socket[bytes]) -> tuple[list[bytes], dict[str, Any]]:
    assert router.poll(WAITS_MS), "the bridge says nothing"
    *route, body = router.recv_multipart()
    said: dict[str, Any] = json.loads(body)
    return route, said
