"""A way into Trio for other threads: one loop in a thread of its own, and calls that can be interrupted."""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeVar

import trio

logger: Final = logging.getLogger("quantmind.client")

T = TypeVar("T")

LOOK_EVERY_S: Final = 0.1
"""How often a waiting thread comes up, so that Ctrl-C reaches it on every platform; an answer wakes it at once."""

STOP_WITHIN_S: Final = 5.0
"""How long leaving waits for the loop's end."""

EXIT_WITHIN_S: Final = 1.0
"""How long the interpreter's end waits for a client that nobody closed; its thread is a daemon and holds up nothing."""


class Portal:
    """Runs calls in the loop of another thread; made by `running`."""

    def __init__(self) -> None:
        self._token: trio.lowlevel.TrioToken | None = None
        self._nursery: trio.Nursery | None = None
        self._ended = threading.Event()
        self._stopping = False
        self._thread = threading.current_thread()

    # ------------------------------------------------------------------ its life

    @classmethod
    @contextlib.contextmanager
    def running(cls, opening: Callable[[], AbstractAsyncContextManager[T]], *, name: str) -> Iterator[tuple[Portal, T]]:
        """Start a thread with a loop, open a resource in it, and give both for the length of the block.

        What the opening raises comes out here. Leaving closes the resource, ends calls that still wait
        (`trio.ClosedResourceError`), and waits at most 5 s for the thread.
        """
        portal = cls()
        ready: Future[T] = Future()
        thread = portal._thread = threading.Thread(target=portal._run, args=(opening, ready), name=name, daemon=True)
        atexit.register(portal._at_exit)
        thread.start()
        try:
            yield portal, portal._wait(ready)
        finally:
            portal._stop()
            thread.join(STOP_WITHIN_S)
            atexit.unregister(portal._at_exit)
            if thread.is_alive():
                logger.error("leave.thread name=%s within_s=%g", name, STOP_WITHIN_S)

    def _run(self, opening: Callable[[], AbstractAsyncContextManager[T]], ready: Future[T]) -> None:
        try:
            trio.run(self._serve, opening, ready)
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            elif not isinstance(error, trio.Cancelled):
                logger.exception("fail.client")
        finally:
            self._ended.set()

    async def _serve(self, opening: Callable[[], AbstractAsyncContextManager[T]], ready: Future[T]) -> None:
        self._stop_asked = trio.Event()
        self._token = trio.lowlevel.current_trio_token()
        async with opening() as resource, trio.open_nursery() as self._nursery:
            ready.set_result(resource)
            if not self._stopping:
                await self._stop_asked.wait()
            self._nursery.cancel_scope.cancel()

    def _stop(self) -> None:
        self._stopping = True
        if self._token is not None and self._thread.is_alive():
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._stop_asked.set)

    # For a client that nobody closed: it says goodbye if it can.
    def _at_exit(self) -> None:
        self._stop()
        self._ended.wait(EXIT_WITHIN_S)

    # ------------------------------------------------------------------ calls

    def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """Run an async function in the loop and wait for what it gives, or raises.

        Whatever interrupts the wait (Ctrl-C) cancels the function; what it gave all the same is logged.

        Raises:
            trio.ClosedResourceError: the block was left, the loop ended, or this process was forked off.
        """
        done: Future[T] = Future()
        scope = trio.CancelScope()

        async def run() -> None:
            try:
                with scope:
                    done.set_result(await function())
            except trio.Cancelled:
                raise
            except Exception as error:  # noqa: BLE001  # it is the caller's; here it would end the others' calls
                done.set_exception(error)
            finally:
                if not done.done():
                    done.set_exception(trio.ClosedResourceError("the client was closed"))

        def start() -> None:
            nursery = self._nursery
            if nursery is None or self._stop_asked.is_set():
                done.set_exception(trio.ClosedResourceError("the client was closed"))
            else:
                nursery.start_soon(run)

        def give_up() -> None:
            scope.cancel()
            done.add_done_callback(_tell_unread)

        try:
            self._soon(start)
            return self._wait(done)
        except BaseException:
            # Not `done.done()`: what was interrupted may be the giving back of a result that is there already.
            if self._token is not None and self._thread.is_alive():
                with contextlib.suppress(trio.RunFinishedError):
                    self._token.run_sync_soon(give_up)
            raise

    def call_soon(self, function: Callable[[], T]) -> T:
        """Run a plain function in the loop, where it must not wait, and give what it gives, or raises.

        Raises:
            trio.ClosedResourceError: the block was left, the loop ended, or this process was forked off.
        """
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(function())
            except Exception as error:  # noqa: BLE001  # it is the caller's
                done.set_exception(error)

        self._soon(run)
        return self._wait(done)

    def _soon(self, function: Callable[[], Any]) -> None:
        if self._token is None or self._stopping:
            raise trio.ClosedResourceError("the client was closed")
        if not self._thread.is_alive() and not self._ended.is_set():
            raise trio.ClosedResourceError(
                "the client stayed in the process that this one was forked from; open another"
            )
        try:
            self._token.run_sync_soon(function)
        except trio.RunFinishedError:
            raise trio.ClosedResourceError("the client was closed") from None

    # Wakes at once when there is a result. A loop that has ended sets none any more.
    def _wait(self, done: Future[T]) -> T:
        while True:
            try:
                return done.result(LOOK_EVERY_S)
            except NotYet:
                if done.done():
                    return done.result()  # it came just now, or the function itself raised this
                if self._ended.is_set():
                    raise trio.ClosedResourceError("the client was closed") from None


def _tell_unread(done: Future[Any]) -> None:
    if not done.cancelled() and done.exception() is None and done.result() is not None:
        logger.warning("interrupt.call unread=%r", done.result())
