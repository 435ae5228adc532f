"""Tasks that run behind a block of code."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import trio


@contextlib.asynccontextmanager
async def background() -> AsyncIterator[trio.Nursery]:
    """A nursery that is cancelled when the block ends.

    An exception of the block comes out as it is. Only those of the tasks come in a group, as from any nursery.
    """
    stack = contextlib.AsyncExitStack()
    nursery = await stack.enter_async_context(trio.open_nursery())
    try:
        yield nursery
    finally:
        nursery.cancel_scope.cancel()
        await stack.aclose()
