"""One worker from its settings: its socket, its terminal, until whoever started it has gone."""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import trio

from quantmind.adapters.mt5.worker.desk import Desk
from quantmind.adapters.mt5.worker.service import Service
from quantmind.adapters.mt5.worker.settings import Settings
from quantmind.adapters.sent_file import SentFile
from quantmind.net.zmq import RouterSocket, ZmqContext
from quantmind.wire import bridge

logger: Final = logging.getLogger("quantmind.mt5.worker")

HIGH_WATER: Final = 1000
MODULES: Final = ("MetaTrader5", "mt5linux", "quantmind.testing.mt5")


class NoModule(Exception):
    """The package that speaks to the terminal is not there; says how to get it."""


def load_module(name: str) -> Any:
    """Import the module that speaks to the terminal.

    Raises:
        NoModule: it can't be imported.
    """
    try:
        module = importlib.import_module(name)
    except ImportError as exc:
        if name == "MetaTrader5":
            way_out = "it exists for Windows only: pip install MetaTrader5 there, or use type mt5_socket, or mt5linux"
        else:
            way_out = f"pip install {name.partition('.')[0]}"
        raise NoModule(f"the module {name} can't be imported ({exc}); {way_out}") from exc
    # mt5linux gives a class to make a client of; all others are used as they are.
    return module.MetaTrader5() if name == "mt5linux" else module


@contextlib.contextmanager
def opened_service(settings: Settings, module: Any, clock: Callable[[], float]) -> Iterator[Service]:
    """What answers requests at a terminal, with what it has sent; both are let go at the end of the block.

    Args:
        module: the terminal's module; None: it is imported by its name.
        clock: Unix seconds.

    Raises:
        NoModule: the terminal's module can't be imported.
        SentFileError: what was sent can't be kept.
    """
    found = load_module(settings.module) if module is None else module
    sent = SentFile.open(settings.file(settings.sent_file), clock)
    service = Service(found, settings, sent, clock)
    try:
        yield service
    finally:
        service.close()
        sent.close()


async def serve(
    settings: Settings,
    announce: Callable[[int], None],
    *,
    module: Any = None,
    clock: Callable[[], float] = time.time,
    answers: Callable[[bytes], bytes | None] = lambda reply: reply,
) -> None:
    """Answer a gateway until cancelled, or until standard input ends where `settings.parent` says so.

    While a call is in the terminal nothing else happens here: that is why this is a process of its own.

    Args:
        announce: told the port as soon as it listens.
        module: the terminal's module, if it is not to be imported by its name.
        clock: Unix seconds.
        answers: what becomes of a reply before it goes out; None: it is lost. For tests.

    Raises:
        NoModule: the terminal's module can't be imported.
        SentFileError: what was sent can't be kept.
        NetError: it can't listen.
    """
    with opened_service(settings, module, clock) as service, ZmqContext() as context:
        socket = RouterSocket.bind(
            context,
            settings.host,
            settings.port,
            max_message_bytes=bridge.MAX_REQUEST_BYTES,
            high_water=HIGH_WATER,
        )
        announce(socket.port)
        async with trio.open_nursery() as nursery:
            if settings.parent:
                nursery.start_soon(_end_with_parent, nursery.cancel_scope)
            await _answer(socket, Desk(service, settings.token), answers)


async def _answer(socket: RouterSocket, desk: Desk, answers: Callable[[bytes], bytes | None]) -> None:
    while True:
        for incoming in await socket.receive_batch():
            reply = answers(desk.answer(incoming))
            if reply is not None:
                socket.reply(incoming.route, reply)


async def _end_with_parent(scope: trio.CancelScope) -> None:
    await trio.to_thread.run_sync(_read_to_the_end, abandon_on_cancel=True)
    logger.info("end.worker reason=whoever started it has gone")
    scope.cancel()


def _read_to_the_end() -> None:
    while sys.stdin.buffer.read(1):
        pass
